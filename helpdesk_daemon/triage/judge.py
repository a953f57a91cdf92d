"""The judge: opinions pooled to a category, and how likely that one is right. Fitted on the examples themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from helpdesk_daemon.triage.confidence import Calibrator, fit_calibrator
from helpdesk_daemon.triage.heads import FOLDS as HEAD_FOLDS
from helpdesk_daemon.triage.heads import Heads
from helpdesk_daemon.triage.nearest import Floats, Numbers, Vectors, centre_of, centred, nearest
from helpdesk_daemon.triage.pool import fit_weights, pooled
from helpdesk_daemon.triage.threshold import NO_CHANCE, Curve, chance_agrees, curve_of
from helpdesk_daemon.triage.vote import UNSAID, K, Neighbour, Standing, View, Vote, vote_shares

NEIGHBOURS = "neighbours"
SCOPE_NEAREST = 5
SCOPE_QUANTILE = 0.05
FEWEST_IN_CATEGORY = 20  # a category with fewer examples is only suggested
SAME = 0.98  # cosine from which on a labelled text is the same as the mail's: its label decides
CLEAR = 0.8  # share its label then has, unless the same text was labelled otherwise, too
ENOUGH_OWN = 200  # labels from here: with so many, those that were shipped tell nothing about confidence
ENOUGH_TO_MEASURE = 50  # labels from here: with so many, only these say from which confidence on enough is right
SAMPLE = 2_000  # held-out examples a fit looks at; more cost time and say the same
FOLDS = 5
SEED = 5


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """What was found about n texts.

    Attributes:
        similarities: shape (n, k), float32, to the nearest examples seen from their centre, best first; -inf for none.
        cosines: shape (n, k), float32, to the same examples.
        labels: shape (n, k), int64: their categories.
        opinions: shape (v, n, c): the neighbours' shares, then what the heads say.
    """

    similarities: Vectors
    cosines: Vectors
    labels: Numbers
    opinions: Floats

    @property
    def scope(self) -> Floats:
        """Mean of the five greatest cosines, shape (n,): how alike a text is to anything known."""
        best: Floats = np.sort(self.cosines, axis=1)[:, ::-1][:, :SCOPE_NEAREST].mean(axis=1)
        return best


@dataclass(frozen=True, slots=True, eq=False)
class Judge:
    """Pools opinions and knows how far to trust the result.

    Attributes:
        categories: in the order of all columns.
        centre: shape (d,), float32: of the examples it was fitted on.
        weights: shape (v,): of the opinions.
        tilt: shape (c,): what balances large and small categories.
        calibrator: signs to probability.
        standing: how it did on held-out examples.
        heads: the second opinions, None where the vote is alone.
        trust: weight of a neighbour whose label nobody gave, over 0 to 1.
    """

    categories: tuple[str, ...]
    centre: Vectors
    weights: Floats
    tilt: Floats
    calibrator: Calibrator
    standing: Standing
    heads: Heads | None = None
    trust: float = 1.0

    @property
    def version(self) -> str:
        """Names this fit in every decision."""
        return self.standing.version

    def votes(
        self, texts: Sequence[str], vectors: Vectors, found: Sequence[Sequence[Neighbour]], support: Mapping[str, int]
    ) -> list[Vote]:
        """Judge texts.

        Args:
            texts: n judged texts.
            vectors: their embeddings, shape (n, d), float32.
            found: their nearest examples, nearest first.
            support: how many examples each category has by now.
        """
        if not any(found):
            return [Vote("", 0.0, (), ()) for _ in texts]
        names = (*self.categories, *sorted({n.category for row in found for n in row} - set(self.categories)))
        heads = self.heads.opinions(texts, vectors) if self.heads else {}
        evidence = _gather(found, names, heads, self.trust)
        shares = pooled(evidence.opinions, self.weights, np.r_[self.tilt, np.zeros(len(names) - len(self.tilt))])
        # A person's word on this very text outweighs what models fitted before it make of its words.
        same = (evidence.cosines.max(axis=1) >= SAME) & (evidence.opinions[0].max(axis=1) >= CLEAR)
        shares[same] = evidence.opinions[0, same]
        confidences, scopes = self.calibrator(signs(evidence, shares)), evidence.scope
        votes = []
        for i in range(len(texts)):
            ranked = _ranked(names, shares[i])
            category = ranked[0][0]
            views = [_view(v, names, evidence.opinions[j, i]) for j, v in enumerate((NEIGHBOURS, *heads))]
            votes.append(Vote(
                category, float(confidences[i]), ranked, tuple(found[i]), tuple(views), float(scopes[i]),
                support=support.get(category, 0), standing=self.standing, same=bool(same[i]), vector=vectors[i],
            ))  # fmt: skip
        return votes


def _ranked(names: Sequence[str], shares: Floats) -> tuple[tuple[str, float], ...]:
    """Categories and their shares, best first, without those that have next to none."""
    order = np.argsort(-shares, kind="stable")
    return tuple((names[i], float(shares[i])) for i in order if shares[i] >= 0.0005)


def _view(name: str, names: Sequence[str], shares: Floats) -> View:
    best = int(shares.argmax())
    return View(name, names[best], float(shares[best]))


def _gather(
    found: Sequence[Sequence[Neighbour]], names: Sequence[str], heads: Mapping[str, Floats], trust: float
) -> Evidence:
    """Neighbours and opinions as arrays; what a head does not know yet has no share in it."""
    number = {name: i for i, name in enumerate(names)}
    shape = (len(found), max(map(len, found)))
    similarities, cosines = np.full(shape, -np.inf, dtype=np.float32), np.full(shape, -1, dtype=np.float32)
    labels, trusted = np.zeros(shape, dtype=np.int64), np.ones(shape)
    for i, row in enumerate(found):
        similarities[i, : len(row)] = [n.similarity for n in row]
        cosines[i, : len(row)] = [n.cosine for n in row]
        labels[i, : len(row)] = [number[n.category] for n in row]
        trusted[i, : len(row)] = [trust if n.source == UNSAID else 1.0 for n in row]
    opinions = np.zeros((1 + len(heads), len(found), len(names)))
    opinions[0] = vote_shares(similarities, labels, len(names), trusted)
    for position, shares in enumerate(heads.values(), 1):
        opinions[position, :, : shares.shape[1]] = shares
    return Evidence(similarities, cosines, labels, opinions)


def signs(evidence: Evidence, shares: Floats) -> Floats:
    """What confidence is judged by, shape (n, 5): log odds of the pooled share, its lead over the second category,
    similarity of the nearest example, how much nearer the category's best example is than any other's, and the share
    that the opinions together give it.
    """  # noqa: D205
    rows = np.arange(len(shares))
    winner = shares.argmax(axis=1)
    top = np.clip(shares[rows, winner], 1e-6, 1 - 1e-6)
    second = np.where(np.arange(shares.shape[1]) == winner[:, None], 0.0, shares).max(axis=1)
    same = evidence.labels == winner[:, None]
    last = evidence.similarities.min(axis=1, where=np.isfinite(evidence.similarities), initial=1.0)
    best_same = evidence.similarities.max(axis=1, where=same, initial=-1.0)
    best_other = evidence.similarities.max(axis=1, where=~same, initial=-1.0)
    ahead = np.maximum(best_same, last) - np.maximum(best_other, last)
    agreed = np.log(evidence.opinions[:, rows, winner] + 0.01).mean(axis=0)
    found: Floats = np.column_stack(
        (np.log(top / (1 - top)), top - second, evidence.similarities[:, 0], ahead, agreed)
    ).astype(np.float64)
    return found


def fit(
    vectors: Vectors, labels: Sequence[str], heads: Heads | None = None, opinions: Mapping[str, Floats] | None = None,
    balance: float = 0.0, sample: int = SAMPLE, version: str = "", own: npt.NDArray[np.bool_] | None = None,
    centring: bool = True, trust: Floats | None = None,
) -> Judge:  # fmt: skip
    """Fit a judge on examples, each judged by all others.

    Args:
        vectors: shape (n, d), float32, L2-normalised rows.
        labels: n categories.
        heads: fitted on the same examples.
        opinions: by name, shape (n, c): the heads' opinions on each example by heads that have not seen it.
        balance: power of the category's size by which its share is divided, 0 to 1.
        sample: how many examples are held out, at most.
        version: name of this fit.
        own: shape (n,): labels that were given here; where there are 50, the threshold is found on these alone, where
            there are 200, the confidence, too.
        centring: whether the index can compare examples as seen from their centre.
        trust: shape (n,): weight of each example in votes, over 0 to 1; None for 1.
    """
    names, numbers = np.unique(np.array(labels, dtype=np.str_), return_inverse=True)
    categories, numbers = tuple(str(n) for n in names), numbers.astype(np.int64)
    centre = centre_of(vectors) if len(vectors) and centring else np.zeros(vectors.shape[1], dtype=np.float32)
    tilt = -balance * np.log(np.bincount(numbers, minlength=len(categories)) / max(len(numbers), 1))
    candidates = np.flatnonzero(own) if own is not None and own.sum() >= ENOUGH_OWN else np.arange(len(vectors))
    held = _sample(candidates, sample)
    if len(held) < 2 or len(vectors) < 2:
        nothing = fit_calibrator(np.zeros((0, 5)), np.zeros(0, dtype=np.bool_))
        return Judge(categories, centre, np.ones(1), tilt, nothing, Standing(version))
    evidence = leave_one_out(vectors, numbers, centre, held, len(categories), opinions or {}, trust)
    truth = numbers[held]
    weights = fit_weights(evidence.opinions, truth) if opinions else np.ones(1)
    shares = pooled(evidence.opinions, weights, tilt)
    guesses = shares.argmax(axis=1).astype(np.int64)
    right = guesses == truth
    seen = signs(evidence, shares)
    standing = Standing(
        version=version,
        curve=_curve(seen, right, evidence.scope, np.bincount(numbers)[guesses], _counting(own, held)),
        scope_floor=float(np.quantile(evidence.scope, SCOPE_QUANTILE)),
        signal=chance_agrees(guesses, truth) < NO_CHANCE,
    )
    return Judge(categories, centre, weights, tilt, fit_calibrator(seen, right), standing, heads)


def can_fit(labels: Sequence[str], sources: Sequence[str]) -> bool:
    """Whether there are labels enough for heads to help.

    Shipped labels teach them another house's words, and labels that are no fair picture of the mail whatever was hard.

    Args:
        labels: n categories.
        sources: where they come from.
    """
    own = np.array(labels, dtype=np.str_)[measure_in(sources)]
    counts = np.unique(own, return_counts=True)[1]
    return len(own) >= ENOUGH_OWN and int((counts >= HEAD_FOLDS).sum()) >= 2


def measure_in(sources: Sequence[str]) -> npt.NDArray[np.bool_]:
    """Which examples show how well mail is judged here, shape (n,): all that were labelled here, or none for all.

    Corrections alone are no measure: as only what was judged wrong is corrected, nothing seems to have been right. They
    count beside at least as many labels that do not depend on the vote having been wrong.

    Args:
        sources: where the labels of n examples come from.
    """
    own = np.array([source != "seed" for source in sources], dtype=np.bool_)
    fair = sum(source not in ("seed", "correction") for source in sources)
    return own if fair >= max(ENOUGH_TO_MEASURE, int(own.sum()) - fair) else np.zeros_like(own)


def _sample(candidates: Numbers, most: int) -> Numbers:
    """Row numbers of the held-out examples, spread by a fixed seed."""
    if len(candidates) > most:
        candidates = np.sort(np.random.default_rng(SEED).choice(candidates, most, replace=False))
    return candidates.astype(np.int64)


def leave_one_out(
    vectors: Vectors, labels: Numbers, centre: Vectors, held: Numbers, categories: int, opinions: Mapping[str, Floats],
    trust: Floats | None = None,
) -> Evidence:  # fmt: skip
    """What the examples say about some of themselves, each without its own label.

    Args:
        vectors: shape (n, d), float32, L2-normalised rows.
        labels: shape (n,), int64.
        centre: shape (d,), float32.
        held: shape (h,), int64: which to judge.
        categories: how many there are.
        opinions: by name, shape (n, c), of heads that have not seen the example.
        trust: shape (n,), see `fit`.
    """
    rows, _ = centred(vectors, centre)
    near, similarities = nearest(rows[held], rows, K, held)
    cosines = np.einsum("hd,hkd->hk", vectors[held], vectors[near])
    heads = [o[held] for o in opinions.values()]
    return Evidence(
        similarities, cosines, labels[near],
        np.stack([vote_shares(similarities, labels[near], categories, None if trust is None else trust[near]), *heads]),
    )  # fmt: skip


def _counting(own: npt.NDArray[np.bool_] | None, held: Numbers) -> npt.NDArray[np.bool_]:
    """Which held-out examples are successes and failures of this house, shape (h,)."""
    if own is None or own[held].sum() < ENOUGH_TO_MEASURE:
        return np.ones(len(held), dtype=np.bool_)
    return own[held]


def _curve(
    seen: Floats, right: npt.NDArray[np.bool_], scope: Floats, support: Numbers, counting: npt.NDArray[np.bool_]
) -> Curve:
    """Successes by confidence, where a fold's confidence comes from the other folds and nothing else holds it back."""
    confidences = np.zeros(len(right))
    fold = np.random.default_rng(SEED).permutation(len(right)) % FOLDS
    for number in range(FOLDS):
        test = fold == number
        confidences[test] = fit_calibrator(seen[~test], right[~test])(seen[test])
    free = (scope >= np.quantile(scope, SCOPE_QUANTILE)) & (support >= FEWEST_IN_CATEGORY) & counting
    return curve_of(confidences[free], right[free])


def named(judge: Judge, version: str) -> Judge:
    """The same judge under a version name."""
    return replace(judge, standing=replace(judge.standing, version=version))
