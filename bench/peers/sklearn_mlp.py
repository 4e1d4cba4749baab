"""scikit-learn's MLPClassifier, one epoch at a time by partial_fit."""
from __future__ import annotations

import blas  # noqa: F401, before NumPy
import numpy as np
import sklearn
from sklearn.metrics import log_loss
from sklearn.neural_network import MLPClassifier

import common

# partial_fit trains one epoch in a new order, as fit(max_iter=1, warm_start=True) does, without
# starting from its checks of the parameters. float32 images make it compute in float32.


def main() -> None:
    options = common.parse("sklearn_mlp")
    raw, labels = common.load_mnist(options.data)
    images = raw.astype(common.REAL[options.type]) / np.array(255, common.REAL[options.type])
    model = MLPClassifier(options.hidden, activation="logistic", solver="sgd", momentum=0,
                          nesterovs_momentum=False, alpha=common.REG * options.batch,
                          batch_size=options.batch, learning_rate_init=common.RATE, random_state=1)

    def train(count: int) -> None:
        model.partial_fit(images[:count], labels[:count], classes=range(common.CLASSES))

    common.say_settings("sklearn_mlp", sklearn.__version__,
                        f"{options.type}, {options.threads} threads of BLAS")
    common.time_epochs(options.seconds, len(labels), options.batch, train)
    common.say_loss(log_loss(labels[:options.batch], model.predict_proba(images[:options.batch]),
                             labels=range(common.CLASSES)))


main()
