"""The baseline that a search must beat: logistic regression on features averaged over time and grid."""

from __future__ import annotations

import numpy as np
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from varml.config.views import View
from varml.data.dataset import FeatureSet, mean_of_views
from varml.training.loop import Probabilities

# Of the inverse regularisation: with more features than videos a strong one is needed.
INVERSE_REGULARISATION = 0.01
MAX_ITERATIONS = 2000


def make_probe() -> Pipeline:
    """Return the classifier itself, not fitted: features are standardised and given to logistic regression."""
    return make_pipeline(StandardScaler(), LogisticRegression(C=INVERSE_REGULARISATION, max_iter=MAX_ITERATIONS))


def fit_baseline(training: FeatureSet) -> Pipeline:
    """Return a fitted scikit-learn pipeline over the mean features of both streams, in each view of the videos."""
    features = np.concatenate([training.means_in(view) for view in training.features])
    labels = np.concatenate([training.labels_in(view) for view in training.features])
    # Few groups can leave a fold one class to train on; there is nothing to regress then.
    one_class = len(np.unique(labels)) < 2
    classifier = make_pipeline(DummyClassifier(strategy="prior")) if one_class else make_probe()
    return classifier.fit(features, labels)


def predict_baseline(baseline: Pipeline, features: FeatureSet) -> Probabilities:
    """Return class probabilities (N, K) float32; a class that training never showed has probability 0."""
    answers = {view: _predict_view(baseline, features, view) for view in features.features}
    return mean_of_views(answers, features.mirror)


def _predict_view(baseline: Pipeline, features: FeatureSet, view: View) -> Probabilities:
    probabilities = np.zeros((len(features), len(features.classes)), dtype=np.float32)
    probabilities[:, baseline.classes_] = baseline.predict_proba(features.means_in(view))
    return probabilities
