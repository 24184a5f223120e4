"""Probabilities that mean what they say: one temperature a task, and how far confidence and accuracy lie apart."""

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

N_BINS = 15


def fit_temperature(logits: Float[np.ndarray, "cell class"], targets: Int[np.ndarray, " cell"]) -> float:
    """Return the temperature of least log-loss on cells that the heads were not fitted on (Guo et al. 2017).

    Targets below 0 are left out; without any, the temperature is 1.
    """
    known = targets >= 0
    if not known.any():
        return 1.0

    def loss(log_temperature: float) -> float:
        scaled = log_softmax(logits[known] / np.exp(log_temperature), axis=1)
        return -float(np.mean(scaled[np.arange(known.sum()), targets[known]]))

    return float(np.exp(minimize_scalar(loss, bounds=(np.log(0.05), np.log(20)), method="bounded").x))


def probabilities(logits: Float[np.ndarray, "cell class"], temperature: float) -> Float[np.ndarray, "cell class"]:
    """Return the softmax of the logits at a temperature; nothing of no classes."""
    if logits.shape[1] == 0:
        return logits
    return np.asarray(softmax(logits / temperature, axis=1), dtype=np.float64)


def reliability(
    probs: Float[np.ndarray, "cell class"], targets: Int[np.ndarray, " cell"]
) -> tuple[Float[np.ndarray, " bin"], Float[np.ndarray, " bin"], Float[np.ndarray, " bin"]]:
    """Return mean confidence, accuracy and share of cells in each used bin of the highest probability."""
    known = targets >= 0
    confidence = probs[known].max(axis=1)
    right: Bool[np.ndarray, " cell"] = probs[known].argmax(axis=1) == targets[known]
    bins = np.minimum((confidence * N_BINS).astype(int), N_BINS - 1)
    count = np.bincount(bins, minlength=N_BINS)
    used = count > 0
    mean_confidence = np.bincount(bins, confidence, N_BINS)[used] / count[used]
    accuracy = np.bincount(bins, right, N_BINS)[used] / count[used]
    return mean_confidence, accuracy, count[used] / count.sum()


def calibration_error(probs: Float[np.ndarray, "cell class"], targets: Int[np.ndarray, " cell"]) -> float:
    """Return the expected calibration error x 100: mean gap of confidence and accuracy over 15 bins."""
    confidence, accuracy, share = reliability(probs, targets)
    return 100 * float(np.sum(share * np.abs(confidence - accuracy)))
