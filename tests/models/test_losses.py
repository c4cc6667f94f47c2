import pytest
import torch
from torch.nn import functional as F

from models import losses


def test_unknown_findings_teach_nothing():
    logits = torch.randn(5, 3, generator=torch.Generator().manual_seed(0)).requires_grad_()
    target = torch.tensor([[1.0, 0.0, float("nan")]]).repeat(5, 1)
    loss = losses.build("bce")(logits, target)
    peer = F.binary_cross_entropy_with_logits(logits[:, :2], target[:, :2])
    assert loss.item() == pytest.approx(peer.item())
    loss.backward()
    assert logits.grad[:, 2].abs().max() == 0
    assert logits.grad[:, :2].abs().min() > 0


@pytest.mark.parametrize("name", ["bce", "focal"])
def test_a_batch_of_unknown_findings_is_a_loss_of_0(name):
    assert losses.build(name)(torch.ones(2, 1), torch.full((2, 1), float("nan"))).item() == 0


def test_focal_loss_agrees_with_its_definition():
    logits, target = torch.tensor([[0.3], [-1.2]]), torch.tensor([[1.0], [0.0]])
    p = logits.sigmoid()
    right = torch.where(target == 1, p, 1 - p)
    peer = (-((1 - right) ** 2) * right.log()).mean()
    assert losses.build("focal")(logits, target).item() == pytest.approx(peer.item(), rel=1e-5)


def test_dice_and_cross_entropy_agree_with_their_definition():
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(2, 3, 6, 5, generator=generator)
    target = torch.randint(0, 3, (2, 6, 5), generator=generator)
    p, y = logits.softmax(1), F.one_hot(target, 3).movedim(-1, 1).float()
    over = (0, 2, 3)
    dice = (2 * (p * y).sum(over) + 1e-5) / (p.sum(over) + y.sum(over) + 1e-5)
    peer = (1 - dice[1:]).mean() + F.cross_entropy(logits, target)
    assert losses.build("dice_ce")(logits, target).item() == pytest.approx(peer.item(), rel=1e-4)


def test_a_right_map_costs_less_than_a_wrong_one():
    target = torch.zeros(1, 8, 8, dtype=torch.int64)
    target[:, 2:5, 2:5] = 1
    right = 12 * F.one_hot(target, 2).movedim(-1, 1).float()
    loss = losses.build("dice_ce")
    assert loss(right, target) < 0.01 < loss(right.flip(1), target)


def test_a_typo_is_answered_with_the_list():
    with pytest.raises(ValueError, match=r"loss 'dice' must be one of \['bce', 'dice_ce'"):
        losses.build("dice")
