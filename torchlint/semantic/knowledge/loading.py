"""Datasets and models that packages outside torch make, images and what transforms make of them, and numpy."""

from typing import TYPE_CHECKING

from torchlint.semantic.instances import allocate
from torchlint.semantic.knowledge.contract import Transfer
from torchlint.semantic.knowledge.vision import TRANSFORM_PACKAGES, TRANSFORMS
from torchlint.semantic.transforms import BGR_ARRAY, MODE, PIL_IMAGE, Kind, image_of, run, steps
from torchlint.semantic.values import UNKNOWN, Arguments, Array, Const, Device, Instance, Symbol, Tensor, Tri, Value

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


# -- images --------------------------------------------------------------------------------------------------

# Methods of PIL images, and functions of OpenCV, that give an image of the same mode.
SAME_PIL = ("copy", "crop", "effect_spread", "filter", "point", "resize", "rotate", "transform", "transpose")
SAME_BGR = ("resize", "flip", "GaussianBlur", "blur", "medianBlur", "rotate", "warpAffine", "copyMakeBorder")
# Transforms of v1 that take no tensor, and make one.
CONVERTERS = ("ToTensor", "PILToTensor")


def _pil_image(machine: "Interpreter", call: "Call", mode: Value | None = None) -> Value:
    image = allocate(machine, call.node, None, PIL_IMAGE, Arguments())
    image.base.pop(MODE, None)
    if isinstance(mode, Const) and isinstance(mode.value, str) and not mode.assumed:
        image.base[MODE] = Const(mode.value)
    return image


def _open_image(machine: "Interpreter", call: "Call") -> Value:
    return _pil_image(machine, call)


def _new_image(machine: "Interpreter", call: "Call") -> Value:
    return _pil_image(machine, call, call.argument(0, "mode"))


def _image_from_array(machine: "Interpreter", call: "Call") -> Value:
    # It has as many channels as the array, which is no question of its mode.
    return _pil_image(machine, call, call.argument(1, "mode") or Const("?"))


def _convert(machine: "Interpreter", call: "Call") -> Value:
    mode = call.argument(0, "mode")
    return _pil_image(machine, call, mode if isinstance(mode, Const) else Const("?"))


def _same_image(machine: "Interpreter", call: "Call") -> Value:
    """The image that it comes from, so that where it was opened is not lost."""
    image = call.receiver if call.receiver is not None else call.argument(0, "image", "src")
    return image if image is not None else UNKNOWN


def _imread(machine: "Interpreter", call: "Call") -> Value:
    flags = call.argument(1, "flags")
    colours = flags is None or flags == Const(1) or (isinstance(flags, Symbol) and flags.name == "cv2.IMREAD_COLOR")
    return allocate(machine, call.node, None, BGR_ARRAY, call.arguments) if colours else UNKNOWN


def _recoloured(machine: "Interpreter", call: "Call") -> Value:
    """`cv2.cvtColor`: an array, in whichever order its channels are."""
    image = call.argument(0, "src")
    is_array = isinstance(image, Array) or (isinstance(image, Instance) and image.symbol == BGR_ARRAY)
    return Array(machine.here(call.node)) if is_array else UNKNOWN


def _bytes_tensor(machine: "Interpreter", call: "Call") -> Value:
    return Tensor(Tri.NO, Device.CPU, "uint8", origin=machine.here(call.node))


def _to_tensor(machine: "Interpreter", call: "Call") -> Value:
    """`functional.to_tensor`, which keeps the type of numbers that are no bytes."""
    is_image = image_of(call.argument(0, "pic")).kind is Kind.PIL
    return Tensor(Tri.NO, Device.CPU, "float32" if is_image else None, origin=machine.here(call.node))


def _transformed(machine: "Interpreter", call: "Call") -> Value:
    """What a transform makes of an image: a tensor on the CPU of an image that is none, else one like the given."""
    given = call.arguments.positional
    if len(given) != 1 or call.receiver is None:
        return UNKNOWN
    before = image_of(given[0])
    after, _ = run(steps(call.receiver, machine.state), before)
    if after.kind is Kind.PIL:
        return _pil_image(machine, call, Const("?"))
    if not after.kind.is_tensor:
        return UNKNOWN
    dtype = "uint8" if after.kind is Kind.BYTES else "float32" if after.scaled is not None else None
    origin = machine.here(call.node)
    if isinstance(given[0], Tensor):
        return Tensor(given[0].grad, given[0].device, dtype, origin=origin)
    converted = after.by is not None and not after.demanded and after.by.name in CONVERTERS
    if converted or before.kind in (Kind.PIL, Kind.ARRAY):
        return Tensor(Tri.NO, Device.CPU, dtype, origin=origin)
    return UNKNOWN


TRANSFERS: dict[str, Transfer] = {
    **{f"torchvision.models.{name}": _model for name in CLASSIFIERS},
    "timm.create_model": _model,
    **{f"numpy.{name}": _array for name in ARRAYS},
    "PIL.Image.open": _open_image,
    "PIL.Image.new": _new_image,
    "PIL.Image.fromarray": _image_from_array,
    f"{PIL_IMAGE}.convert": _convert,
    **{f"{PIL_IMAGE}.{name}": _same_image for name in SAME_PIL},
    "PIL.ImageOps.exif_transpose": _same_image,
    "torchvision.transforms.functional.to_tensor": _to_tensor,
    "torchvision.transforms.functional.pil_to_tensor": _bytes_tensor,
    "cv2.imread": _imread,
    "cv2.cvtColor": _recoloured,
    **{f"cv2.{name}": _same_image for name in SAME_BGR},
    f"{BGR_ARRAY}.copy": _same_image,
    f"{BGR_ARRAY}.astype": _same_image,
    **dict.fromkeys(
        ("torchvision.io.read_image", "torchvision.io.decode_image", "torchvision.io.image.read_image"), _bytes_tensor
    ),
    **{
        f"{package}{name}.{method}": _transformed
        for package in TRANSFORM_PACKAGES
        for name in sorted(TRANSFORMS)
        for method in ("__call__", "forward")
    },
}
