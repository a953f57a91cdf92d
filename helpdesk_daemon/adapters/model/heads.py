"""Fit the second opinions with scikit-learn, which is imported only where a fit runs."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from helpdesk_daemon.triage.heads import FOLDS, GAMMA, Heads, MeaningHead, WordsHead, ngrams
from helpdesk_daemon.triage.judge import Judge, fit
from helpdesk_daemon.triage.nearest import Floats, Numbers, Vectors

MEANING_C, WORDS_C = 10.0, 30.0
LANDMARKS = 600
MOST_NGRAMS = 60_000
RAREST = 2  # examples an n-gram must be in
SEED = 7
NAMES = ("meaning", "words")


def fit_heads(texts: Sequence[str], vectors: Vectors, labels: Sequence[str], trust: Floats | None = None) -> Heads:
    """Fit both heads.

    Args:
        texts: n judged texts.
        vectors: their embeddings, shape (n, d), float32.
        labels: n categories, at least two different ones.
        trust: shape (n,): weight of each; None for 1.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.kernel_approximation import Nystroem
    from sklearn.linear_model import LogisticRegression

    categories = tuple(sorted(set(labels)))
    numbers = np.searchsorted(np.array(categories), np.array(labels))
    kernels = Nystroem(gamma=GAMMA, n_components=min(LANDMARKS, len(texts)), random_state=SEED)
    meaning = LogisticRegression(C=MEANING_C, max_iter=200)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # labels without sense never converge; near is good enough
        meaning.fit(kernels.fit_transform(vectors), numbers, sample_weight=trust)
    counter = TfidfVectorizer(
        analyzer=ngrams, sublinear_tf=True, min_df=RAREST, max_features=MOST_NGRAMS, dtype=np.float32
    )
    counts = counter.fit_transform(texts)
    words = [
        LogisticRegression(C=WORDS_C, solver="liblinear").fit(counts, numbers == number, sample_weight=trust)
        for number in range(len(categories))
    ]
    spread, bias = _columns(meaning.coef_ @ kernels.normalization_, meaning.intercept_)
    return Heads(
        categories,
        MeaningHead(np.asarray(kernels.components_, dtype=np.float32), spread, bias),
        WordsHead(
            {gram: int(row) for gram, row in counter.vocabulary_.items()},
            counter.idf_.astype(np.float32),
            *_columns(np.vstack([e.coef_ for e in words]), np.ravel([e.intercept_ for e in words])),
        ),
    )


def _columns(weights: Any, bias: Any) -> tuple[Vectors, Vectors]:
    """Weights (f, c) and bias (c,) of scikit-learn's (c, f) and (c,), or of its one row for two categories."""
    if len(weights) == 1:
        weights, bias = np.vstack([-weights, weights]), np.r_[-bias, bias]
    return np.ascontiguousarray(weights.T, dtype=np.float32), np.asarray(bias, dtype=np.float32)


def out_of_fold(
    texts: Sequence[str], vectors: Vectors, labels: Sequence[str], trust: Floats | None = None
) -> dict[str, Floats]:
    """What heads fitted on nine tenths say about the tenth they have not seen.

    Returns:
        By name of the opinion: shape (n, c), over the sorted categories.
    """
    categories = sorted(set(labels))
    numbers = np.searchsorted(np.array(categories), np.array(labels))
    fold = _folds(numbers)
    found = {name: np.full((len(texts), len(categories)), 1.0 / len(categories)) for name in NAMES}
    for number in range(FOLDS):
        train, test = np.flatnonzero(fold != number).tolist(), np.flatnonzero(fold == number).tolist()
        weights = None if trust is None else trust[train]
        heads = fit_heads([texts[i] for i in train], vectors[train], [labels[i] for i in train], weights)
        columns = np.searchsorted(np.array(categories), np.array(heads.categories))
        for name, shares in heads.opinions([texts[i] for i in test], vectors[test]).items():
            found[name][test] = 0.0
            found[name][np.array(test)[:, None], columns] = shares
    return found


def _folds(numbers: Numbers) -> Numbers:
    """A fold for each example, every category spread evenly over all."""
    order = np.random.default_rng(SEED).permutation(len(numbers))
    order = order[np.argsort(numbers[order], kind="stable")]
    fold = np.zeros(len(numbers), dtype=np.int64)
    fold[order] = np.arange(len(numbers)) % FOLDS
    return fold


def fit_judge(
    texts: Sequence[str], vectors: Vectors, labels: Sequence[str], balance: float, sample: int, version: str,
    own: npt.NDArray[np.bool_] | None = None, centring: bool = True, trust: Floats | None = None,
) -> Judge:  # fmt: skip
    """Fit a judge with second opinions.

    Args:
        texts: n judged texts.
        vectors: their embeddings, shape (n, d), float32.
        labels: n categories, see `can_fit`.
        balance: power of a category's size by which its share is divided, 0 to 1.
        sample: how many examples are held out, at most.
        version: name of this fit.
        own: see `triage.judge.fit`.
        centring: see `triage.judge.fit`.
        trust: see `triage.judge.fit`.
    """
    opinions, heads = out_of_fold(texts, vectors, labels, trust), fit_heads(texts, vectors, labels, trust)
    return fit(vectors, labels, heads, opinions, balance, sample, version, own, centring, trust)
