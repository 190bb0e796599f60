"""Train a small neural network to read digits, with nothing but the standard library.

The digits are drawn from a 5 x 7 font at a random place on an 8 x 8 grid, with some pixels flipped.
The network is 64 pixels -> tanh -> 10 scores; its gradients are written out by hand.
"""

import argparse
import math
import random
import time

FONT = """
.###. ..#.. .###. ##### ...#. ##### ..##. ##### .###. .###.
#...# .##.. #...# ...#. ..##. #.... .#... ....# #...# #...#
#..## ..#.. ....# ..#.. .#.#. ####. #.... ...#. #...# #...#
#.#.# ..#.. ...#. ...#. #..#. ....# ####. ..#.. .###. .####
##..# ..#.. ..#.. ....# ##### ....# #...# .#... #...# ....#
#...# ..#.. .#... #...# ...#. #...# #...# .#... #...# ...#.
.###. .###. ##### .###. ...#. .###. .###. .#... .###. .##..
"""
GLYPHS = list(zip(*[line.split() for line in FONT.strip().splitlines()]))
GRID = 8


def draw(digit, rng, noise):
    """Draw a digit somewhere on the grid and flip some pixels."""
    left, top = rng.randint(0, GRID - 5), rng.randint(0, GRID - 7)
    pixels = [0.0] * (GRID * GRID)
    for y, row in enumerate(GLYPHS[digit]):
        for x, dot in enumerate(row):
            pixels[(top + y) * GRID + left + x] = float(dot == "#")
    return [1.0 - pixel if rng.random() < noise else pixel for pixel in pixels]


def make_data(count, rng, noise):
    """Make drawings with their digits."""
    digits = [rng.randrange(10) for _ in range(count)]
    return [(draw(digit, rng, noise), digit) for digit in digits]


def dot(weights, values):
    """Multiply and add up."""
    return sum(map(float.__mul__, weights, values))


class Network:
    """One hidden layer, trained one drawing at a time."""

    def __init__(self, inputs, hidden, outputs, rng):
        self.w1 = [[rng.gauss(0, inputs**-0.5) for _ in range(inputs)] for _ in range(hidden)]
        self.b1 = [0.0] * hidden
        self.w2 = [[rng.gauss(0, hidden**-0.5) for _ in range(hidden)] for _ in range(outputs)]
        self.b2 = [0.0] * outputs

    def forward(self, pixels):
        """Return the hidden layer and the probability of each digit."""
        hidden = [math.tanh(dot(row, pixels) + bias) for row, bias in zip(self.w1, self.b1)]
        scores = [dot(row, hidden) + bias for row, bias in zip(self.w2, self.b2)]
        top = max(scores)
        powers = [math.exp(score - top) for score in scores]
        total = sum(powers)
        return hidden, [power / total for power in powers]

    def learn(self, pixels, digit, lr):
        """Take one step down the gradient of the cross-entropy; return the loss before it."""
        hidden, chances = self.forward(pixels)
        errors = chances[:]
        errors[digit] -= 1.0
        hidden_errors = [
            (1.0 - value * value) * dot(column, errors) for value, column in zip(hidden, zip(*self.w2))
        ]
        descend(self.w2, self.b2, errors, hidden, lr)
        descend(self.w1, self.b1, hidden_errors, pixels, lr)
        return -math.log(max(chances[digit], 1e-12))


def descend(weights, biases, errors, values, lr):
    """Move a layer's weights and biases against their gradient."""
    for place, error in enumerate(errors):
        step = lr * error
        weights[place] = [weight - step * value for weight, value in zip(weights[place], values)]
        biases[place] -= step


def evaluate(network, data):
    """Return the mean loss and the share of digits that are read rightly."""
    loss = right = 0.0
    for pixels, digit in data:
        chances = network.forward(pixels)[1]
        loss -= math.log(max(chances[digit], 1e-12))
        right += max(range(10), key=chances.__getitem__) == digit
    return loss / len(data), right / len(data)


def parse_arguments():
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Train a small network to read digits.")
    parser.add_argument("--epochs", type=int, default=10, help="passes over the data (default: %(default)s)")
    parser.add_argument("--lr", type=float, default=0.03, help="learning rate (default: %(default)s)")
    parser.add_argument("--hidden", type=int, default=32, help="hidden units (default: %(default)s)")
    parser.add_argument("--samples", type=int, default=1000, help="drawings to learn (default: %(default)s)")
    parser.add_argument(
        "--noise", type=float, default=0.05, help="share of pixels flipped (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=1, help="seed of all chance (default: %(default)s)")
    return parser.parse_args()


def main():
    """Train, and print how it goes."""
    args = parse_arguments()
    rng = random.Random(args.seed)
    train = make_data(args.samples, rng, args.noise)
    held_back = make_data(300, rng, args.noise)
    network = Network(GRID * GRID, args.hidden, 10, rng)
    for epoch in range(1, args.epochs + 1):
        started = time.perf_counter()
        rng.shuffle(train)
        loss = sum(network.learn(pixels, digit, args.lr) for pixels, digit in train) / len(train)
        val_loss, val_accuracy = evaluate(network, held_back)
        duration_s = time.perf_counter() - started
        print(
            f"epoch {epoch}/{args.epochs} - {duration_s:.1f} s - loss: {loss:.4f}"
            f" - val_loss: {val_loss:.4f} - val_accuracy: {val_accuracy:.3f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
