"""Datasets and models that packages outside torch make, and numpy."""

from typing import TYPE_CHECKING

from torchlint.semantic.instances import allocate
from torchlint.semantic.knowledge.contract import Transfer
from torchlint.semantic.values import Array, Value

if TYPE_CHECKING:
    from torchlint.semantic.facts import Call
    from torchlint.semantic.interpret import Interpreter

# Functions of torchvision.models that make a classifier.
CLASSIFIERS = (
    "alexnet", "densenet121", "densenet161", "densenet169", "densenet201", "efficientnet_b0", "efficientnet_b1",
    "efficientnet_b2", "efficientnet_b3", "efficientnet_b4", "efficientnet_b5", "efficientnet_b6", "efficientnet_b7",
    "efficientnet_v2_s", "efficientnet_v2_m", "efficientnet_v2_l", "convnext_tiny", "convnext_small", "convnext_base",
    "convnext_large", "mnasnet0_5", "mnasnet1_0", "mobilenet_v2", "mobilenet_v3_large", "mobilenet_v3_small",
    "regnet_y_400mf", "regnet_y_8gf", "regnet_x_400mf", "resnet18", "resnet34", "resnet50", "resnet101", "resnet152",
    "resnext50_32x4d", "resnext101_32x8d", "wide_resnet50_2", "wide_resnet101_2", "shufflenet_v2_x0_5",
    "shufflenet_v2_x1_0", "squeezenet1_0", "squeezenet1_1", "swin_t", "swin_s", "swin_b", "vgg11", "vgg11_bn", "vgg13",
    "vgg13_bn", "vgg16", "vgg16_bn", "vgg19", "vgg19_bn", "vit_b_16", "vit_b_32", "vit_l_16", "vit_l_32",
)  # fmt: skip


# Functions of numpy that give an array whatever their arguments; most others give a number for a number.
ARRAYS = ("array", "asarray", "zeros", "ones", "empty", "zeros_like", "ones_like", "arange", "linspace", "concatenate",
    "stack", "vstack", "hstack", "eye", "identity")  # fmt: skip


def _model(machine: "Interpreter", call: "Call") -> Value:
    return allocate(machine, call.node, None, call.name, call.arguments)


def _array(machine: "Interpreter", call: "Call") -> Value:
    return Array(machine.here(call.node))


TRANSFERS: dict[str, Transfer] = {
    **{f"torchvision.models.{name}": _model for name in CLASSIFIERS},
    "timm.create_model": _model,
    **{f"numpy.{name}": _array for name in ARRAYS},
}
