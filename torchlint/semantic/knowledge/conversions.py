"""Which calls convert their arguments to numpy arrays, and what they then do to tensors that require grad.

Read by the generator alone. The names are kept by hand, from the API references of numpy (routines),
matplotlib (`pyplot` and `Axes`), scikit-learn (`sklearn.metrics`), pandas and Pillow; the effects are
seen by running each call on the installed versions. `{x}` is the argument that takes data: a tensor
of three numbers that requires grad, then a list of three tensors without dimensions that do.
"""

import contextlib
import importlib
import os
import tempfile
import warnings
from collections.abc import Iterator
from typing import Any

import torch

from torchlint.semantic.knowledge import Conversions

_NUMPY = (
    "array asarray asanyarray ascontiguousarray asfortranarray copy mean average median sum prod std var "
    "min max amin amax nanmean nanmax nanmin nansum nanstd nanvar nanmedian argmax argmin argsort sort "
    "cumsum cumprod diff ptp sqrt exp log log10 log2 log1p expm1 square abs absolute fabs sin cos tan "
    "tanh arctan sinh cosh sign floor ceil rint round around trunc isnan isinf isfinite squeeze ravel "
    "reshape transpose expand_dims concatenate stack vstack hstack dstack column_stack atleast_1d "
    "atleast_2d unique nonzero count_nonzero any all allclose array_equal isclose percentile quantile "
    "histogram dot inner outer matmul multiply add subtract divide power maximum minimum where clip "
    "repeat tile flip roll split array_split append interp corrcoef cov polyfit digitize bincount "
    "searchsorted argwhere savetxt save savez array_str array_repr array2string nan_to_num real trapezoid "
    "convolve float32 float64 full_like zeros_like ones_like "
)
_NUMPY_ARGUMENTS = {
    "reshape": "{x}, (3, 1)",
    "expand_dims": "{x}, 0",
    "allclose": "{x}, [1.0, 1.0, 1.0]",
    "array_equal": "{x}, [1.0, 1.0, 1.0]",
    "isclose": "{x}, [1.0, 1.0, 1.0]",
    "percentile": "{x}, 50",
    "quantile": "{x}, 0.5",
    "dot": "{x}, [1.0, 1.0, 1.0]",
    "inner": "{x}, [1.0, 1.0, 1.0]",
    "outer": "{x}, [1.0, 1.0, 1.0]",
    "matmul": "{x}, [1.0, 1.0, 1.0]",
    "multiply": "{x}, [1.0, 1.0, 1.0]",
    "add": "{x}, [1.0, 1.0, 1.0]",
    "subtract": "{x}, [1.0, 1.0, 1.0]",
    "divide": "{x}, [1.0, 1.0, 1.0]",
    "power": "{x}, 2",
    "maximum": "{x}, 0.5",
    "minimum": "{x}, 0.5",
    "clip": "{x}, 0, 1",
    "repeat": "{x}, 2",
    "tile": "{x}, 2",
    "roll": "{x}, 1",
    "split": "{x}, 3",
    "array_split": "{x}, 3",
    "append": "[1.0], {x}",
    "interp": "{x}, [0.0, 1.0], [0.0, 1.0]",
    "polyfit": "[0.0, 1.0, 2.0], {x}, 1",
    "digitize": "{x}, [0.0, 1.0]",
    "searchsorted": "[0.0, 1.0], {x}",
    "convolve": "{x}, [1.0]",
    "full_like": "{x}, 1.0",
    "save": "'array.npy', {x}",
    "savetxt": "'array.txt', {x}",
    "savez": "'array.npz', {x}",
}
_PLOTS = {
    "plot": "{x}",
    "scatter": "[1.0, 1.0, 1.0], {x}",
    "bar": "[1.0, 2.0, 3.0], {x}",
    "barh": "[1.0, 2.0, 3.0], {x}",
    "hist": "{x}",
    "imshow": "IMAGE({x})",
    "matshow": "IMAGE({x})",
    "semilogx": "{x}",
    "semilogy": "{x}",
    "loglog": "{x}",
    "errorbar": "[1.0, 2.0, 3.0], {x}",
    "fill_between": "[1.0, 2.0, 3.0], {x}",
    "step": "[1.0, 2.0, 3.0], {x}",
    "stem": "{x}",
    "boxplot": "{x}",
    "violinplot": "{x}",
    "pie": "{x}",
    "hlines": "{x}, 0, 1",
    "vlines": "{x}, 0, 1",
    "stackplot": "[1.0, 2.0, 3.0], {x}",
    "contourf": "IMAGE({x})",
    "pcolormesh": "IMAGE({x})",
}
_NUMBERS = "[1.0, 2.0, 3.0], {x}"
_LABELS = "[0, 1, 0], {x}"
_METRICS = {
    "mean_squared_error": _NUMBERS,
    "mean_absolute_error": _NUMBERS,
    "root_mean_squared_error": _NUMBERS,
    "r2_score": _NUMBERS,
    "explained_variance_score": _NUMBERS,
    "max_error": _NUMBERS,
    "median_absolute_error": _NUMBERS,
    "roc_auc_score": _LABELS,
    "average_precision_score": _LABELS,
    "roc_curve": _LABELS,
    "precision_recall_curve": _LABELS,
    "log_loss": _LABELS,
    "brier_score_loss": _LABELS,
    "accuracy_score": _LABELS,
    "balanced_accuracy_score": _LABELS,
    "f1_score": _LABELS,
    "precision_score": _LABELS,
    "recall_score": _LABELS,
    "confusion_matrix": _LABELS,
    "classification_report": _LABELS,
    "matthews_corrcoef": _LABELS,
    "cohen_kappa_score": _LABELS,
    "jaccard_score": _LABELS,
}
# What takes whole-number labels is tried on 0. and 1.; the rest on numbers between.
_CALLS: dict[str, str] = (
    {f"numpy.{name}": _NUMPY_ARGUMENTS.get(name, "{x}") for name in _NUMPY.split()}
    | {"numpy.linalg.norm": "{x}"}
    | {f"matplotlib.pyplot.{name}": arguments for name, arguments in _PLOTS.items()}
    | {f"matplotlib.axes.Axes.{name}": arguments for name, arguments in _PLOTS.items()}
    | {f"sklearn.metrics.{name}": arguments for name, arguments in _METRICS.items()}
    | {
        "pandas.Series": "{x}",
        "pandas.DataFrame": "{x}",
        "PIL.Image.fromarray": "IMAGE({x})",
    }
)
_PACKAGES = {
    "numpy": "numpy",
    "matplotlib": "matplotlib",
    "sklearn": "scikit-learn",
    "pandas": "pandas",
    "PIL": "pillow",
}


def measure() -> Conversions:
    """Run every call of the table.

    Raises:
        ModuleNotFoundError: one of the packages is not installed.
    """
    versions = {package: str(importlib.import_module(module).__version__) for module, package in _PACKAGES.items()}
    with _scratch_folder():
        effects = {name: (_effect(name, listed=False), _effect(name, listed=True)) for name in sorted(_CALLS)}
    return Conversions({"torch": torch.__version__.partition("+")[0], **versions}, effects)


def _effect(name: str, *, listed: bool) -> str | None:
    values = [0.0, 1.0, 0.0] if _CALLS[name] is _LABELS else [0.25, 0.5, 0.75]
    numbers = torch.tensor(values, requires_grad=True)
    data: object = [number.clone() for number in numbers] if listed else numbers.clone()
    package = name.partition(".")[0]
    names: dict[str, object] = {"x": data, "IMAGE": _image, package: importlib.import_module(package)}
    call = name
    if package == "matplotlib":
        pyplot = _pyplot()
        pyplot.close("all")
        names["axes"] = pyplot.subplots()[1]
        call = name.replace("matplotlib.axes.Axes", "axes")
    else:
        importlib.import_module(name.rpartition(".")[0])
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            eval(f"{call}({_CALLS[name].format(x='x')})", names)
    except Exception as error:
        # Whatever a library raises is the fact to be recorded.
        return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
    return None


def _image(data: object) -> object:
    """The data as three rows of three pixels."""
    if isinstance(data, torch.Tensor):
        return torch.stack([data] * 3)
    return [data] * 3


def _pyplot() -> Any:
    matplotlib = importlib.import_module("matplotlib")
    matplotlib.use("agg")
    return importlib.import_module("matplotlib.pyplot")


@contextlib.contextmanager
def _scratch_folder() -> Iterator[None]:
    """Some calls write files."""
    before = os.getcwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            yield
        finally:
            os.chdir(before)
