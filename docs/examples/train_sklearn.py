"""Train a scikit-learn classifier on handwritten digits, a pass at a time.

Needs scikit-learn: `pip install scikit-learn`. The digits come with it.
"""

import argparse

import numpy as np
from sklearn.datasets import load_digits
from sklearn.metrics import accuracy_score, log_loss
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler


def parse_arguments():
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Train a classifier on handwritten digits.")
    parser.add_argument("--epochs", type=int, default=15, help="passes over the data (default: %(default)s)")
    parser.add_argument("--lr", type=float, default=0.002, help="learning rate (default: %(default)s)")
    parser.add_argument("--hidden", type=int, default=64, help="hidden units (default: %(default)s)")
    parser.add_argument("--batch", type=int, default=32, help="digits a step (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="seed of all chance (default: %(default)s)")
    return parser.parse_args()


def load(seed):
    """Return the pixels and digits to learn from, and those held back."""
    pixels, digits = load_digits(return_X_y=True)
    train_x, test_x, train_y, test_y = train_test_split(
        pixels, digits, test_size=0.25, random_state=seed, stratify=digits
    )
    scaler = StandardScaler().fit(train_x)
    return scaler.transform(train_x), scaler.transform(test_x), train_y, test_y


def main():
    """Train, and print how it goes."""
    args = parse_arguments()
    train_x, test_x, train_y, test_y = load(args.seed)
    model = MLPClassifier((args.hidden,), learning_rate_init=args.lr, random_state=args.seed)
    rng = np.random.default_rng(args.seed)
    for epoch in range(1, args.epochs + 1):
        order = rng.permutation(len(train_y))
        for start in range(0, len(order), args.batch):
            chosen = order[start : start + args.batch]
            model.partial_fit(train_x[chosen], train_y[chosen], classes=range(10))
        loss = log_loss(train_y, model.predict_proba(train_x))
        accuracy = accuracy_score(test_y, model.predict(test_x))
        print(f"epoch {epoch}/{args.epochs} - loss: {loss:.4f} - val_accuracy: {accuracy:.3f}", flush=True)


if __name__ == "__main__":
    main()
