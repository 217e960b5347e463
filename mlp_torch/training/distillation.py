"""Distillation (ch. 4, Useful Overfitting): a small student learns from what a large teacher says, and is served alone.

The teacher is a stage of the run. What it says of a row tells more than the label, which is one draw of what could have
come of it: a mean instead of a value, all probabilities instead of one class. The loss is a blend of the head's
own on the label and of the same on the teacher's answer. Source: Hinton et al. 2015, "Distilling the Knowledge in a
Neural Network".

NOTE[BOOK] there the student learns from a teacher that has seen the same rows, softened by a temperature since it is
nearly certain of them; here each answer is out of fold, of a teacher that has not seen the row: it holds none of the
row's own noise, is as uncertain as it should be, and needs no temperature.

Shape: features -> `out` of the student, (B, n) or (B, k, n); in training also `TEACHER.POINT`, (B,) or (B, n).
"""

from torch import Tensor

from mlp_torch.errors import ConfigError
from mlp_torch.head import Batch, Head
from mlp_torch.model import Encoder, Single
from mlp_torch.parts import Parts
from mlp_torch.problem.stacking import said_by


class Distilled(Single):
    """A student: one encoder, one backbone, one head; it keeps nothing of its teacher but the name.

    A teacher learns from rows as they are. Where the student's are rebalanced, its head shifts the answers to them.

    Args:
        parts: the student's columns, backbone and head, and the stages.
        teacher: the stage whose answers it learns from, which has folds.
        share: of the teacher's answers in the loss, 0 to 1; with 0 it learns from labels alone, with 1 from no label.

    Raises:
        ConfigError: for a teacher that does not exist, has no folds or says something else; for an impossible share;
            for a head that learns from labels only.
    """

    def __init__(self, parts: Parts, *, teacher: str, share: float = 0.5):
        if not 0 <= share <= 1:
            raise ConfigError(f"share must be between 0 and 1, however: share={share}")
        encoder = Encoder(dict(parts.columns), parts.modalities)
        super().__init__(encoder, *parts.judged(encoder.widths))
        said, point = said_by(teacher, parts), parts.stage(teacher).head.point
        check_softens(self.head)
        check_says(self.head, teacher, point, said, n=len(self.head.constant(parts.y, parts.weight)))
        self.key, self.share = f"{teacher}.{point}", share

    def loss(self, out: Tensor, batch: Batch) -> Tensor:
        """In evaluation the head's own, as of every model."""
        own = super().loss(out, batch)  # (B,)
        if not self.training:
            return own
        soft = super().loss(out, batch._replace(y=self.head.soften(batch.features[self.key])))  # (B,)
        return (1 - self.share) * own + self.share * soft


def check_softens(head: Head) -> None:
    """Refuses a head to which an answer is no label, such as one of a distribution, which a mean would make too narrow.

    Raises:
        ConfigError: naming it.
    """
    if not head.softens:
        heads = "regression, multilabel or, with gamma=0, binary, multiclass, neutral or ordinal"
        raise ConfigError(f"a student's head must be {heads}, however: {type(head).__name__}")


def check_says(head: Head, teacher: str, point: str, said: Tensor, *, n: int) -> None:
    """Refuses a teacher whose answers are not of the kind that the head learns from.

    Args:
        head: of the student.
        teacher: the stage.
        point: what it says out of fold.
        said: (N,) or (N, n) of training rows.
        n: the numbers of the student's `out`.

    Raises:
        ConfigError: naming the answer.
    """
    numbers = 1 if said.dim() == 1 else said.shape[1]
    if numbers != n or ("probab" in point) != bool(head.target_classes):
        kind = "probabilities" if head.target_classes else "values"
        text = f"a teacher of {type(head).__name__} must say {kind}, {n} a row, however: {teacher} says {point}"
        raise ConfigError(f"{text}, {numbers} a row; give stage {teacher} the head of the run")
