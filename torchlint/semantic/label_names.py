"""Names that programs give to labels and predictions, for where nothing else is known of what stands there."""

import libcst as cst

# What a prediction is compared with: tensors that never require grad.
LABELS = frozenset({
    "target", "targets", "targ", "label", "labels", "lbl", "y", "y_true", "y_batch", "batch_y", "yb", "gt", "gts",
    "ground_truth", "truth", "mask", "masks", "true_masks",
})  # fmt: skip
PREDICTIONS = frozenset({
    "out", "outs", "output", "outputs", "pred", "preds", "prediction", "predictions", "logit", "logits", "score",
    "scores", "y_pred", "y_hat", "yhat", "prob", "probs", "model_output", "masks_pred",
})  # fmt: skip
IMAGES = frozenset({"image", "images", "img", "imgs"})


def base_name(node: cst.BaseExpression | None) -> str:
    """The name that a chain of attributes and methods starts with, in lower case: `y` of `y.float().to(device)`."""
    while isinstance(node, (cst.Attribute, cst.Call)):
        node = node.func if isinstance(node, cst.Call) else node.value
    return node.value.lower() if isinstance(node, cst.Name) else ""
