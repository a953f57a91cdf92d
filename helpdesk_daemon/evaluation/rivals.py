"""What the classifier is measured against: words alone, as most small helpdesks sort."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from helpdesk_daemon.adapters.tickets_csv import Tickets
from helpdesk_daemon.evaluation.measures import Flags


def linear_svm(train: Tickets, test: Tickets, target: float, folds: int = 5) -> tuple[Flags, Flags]:
    """TF-IDF of words and word pairs, and a linear support vector machine, calibrated by cross-validation.

    Args:
        train: labelled examples.
        test: tickets to judge.
        target: share that should be right of what is accepted, 0 to 1.
        folds: of the cross-validation.

    Returns:
        Which tests were right, and which would be accepted: those with a probability from which on the target was met
        among the held-out examples. Both of shape (n,).
    """
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.model_selection import cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.svm import LinearSVC

    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=2)
    model = make_pipeline(words, CalibratedClassifierCV(LinearSVC(), cv=folds))
    labels = np.array(train.labels)
    held = cross_val_predict(model, train.texts, labels, cv=folds, method="predict_proba")
    model.fit(train.texts, labels)
    found = model.predict_proba(test.texts)
    plain = make_pipeline(TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=2), LinearSVC())
    guesses = plain.fit(train.texts, labels).predict(test.texts)
    threshold = _threshold(held.max(axis=1), np.asarray(model.classes_)[held.argmax(axis=1)] == labels, target)
    return np.asarray(guesses == np.array(test.labels)), found.max(axis=1) >= threshold


def _threshold(shares: Sequence[float], right: Sequence[bool], target: float) -> float:
    """The smallest share above which at least `target` were right; over 1 where there is none."""
    order = np.argsort(-np.asarray(shares))
    precision = np.cumsum(np.asarray(right)[order]) / np.arange(1, len(order) + 1)
    good = np.flatnonzero(precision >= target)
    return float(np.asarray(shares)[order][good[-1]]) if len(good) else 2.0
