"""Train a small convolutional network in PyTorch to tell rings, crosses and bars apart.

Needs PyTorch: `pip install torch`. The pictures are generated; a GPU is used where there is one.
"""

import argparse

import torch
from torch import nn

SIZE = 16
SHAPES = ("ring", "cross", "bar")


def make_data(count, noise, generator):
    """Draw shapes of random size at random places, under noise."""
    labels = torch.randint(len(SHAPES), (count, 1, 1), generator=generator)
    center = 5 + 6 * torch.rand(2, count, 1, 1, generator=generator)
    radius = 3 + 2 * torch.rand(count, 1, 1, generator=generator)
    y, x = torch.meshgrid(torch.arange(SIZE), torch.arange(SIZE), indexing="ij")
    dy, dx = y - center[0], x - center[1]
    ring = ((dx**2 + dy**2).sqrt() - radius).abs() < 0.8
    cross = (torch.minimum(dx.abs(), dy.abs()) < 0.8) & (torch.maximum(dx.abs(), dy.abs()) < radius)
    bar = (dx.abs() < 1.2) & (dy.abs() < radius)
    shape = torch.where(labels == 0, ring, torch.where(labels == 1, cross, bar)).float()
    pictures = shape + noise * torch.randn(count, SIZE, SIZE, generator=generator)
    return pictures.unsqueeze(1), labels.flatten()


def make_model(channels):
    """Make the network."""
    return nn.Sequential(
        nn.Conv2d(1, channels, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(channels, 2 * channels, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveMaxPool2d(1),
        nn.Flatten(),
        nn.Linear(2 * channels, len(SHAPES)),
    )


def parse_arguments():
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Train a small convolutional network on generated shapes.")
    parser.add_argument("--epochs", type=int, default=8, help="passes over the data (default: %(default)s)")
    parser.add_argument("--lr", type=float, default=0.003, help="learning rate (default: %(default)s)")
    parser.add_argument(
        "--channels", type=int, default=8, help="channels of the first layer (default: %(default)s)"
    )
    parser.add_argument("--batch", type=int, default=64, help="pictures a step (default: %(default)s)")
    parser.add_argument(
        "--noise", type=float, default=0.5, help="noise in the pictures (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=1, help="seed of all chance (default: %(default)s)")
    return parser.parse_args()


def train_epoch(model, optimizer, pictures, labels, batch):
    """Pass over the data once; return the mean loss."""
    total = 0.0
    for chosen in torch.randperm(len(labels)).split(batch):
        loss = nn.functional.cross_entropy(model(pictures[chosen]), labels[chosen])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item() * len(chosen)
    return total / len(labels)


def main():
    """Train, and print how it goes."""
    args = parse_arguments()
    torch.manual_seed(args.seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    generator = torch.Generator().manual_seed(args.seed)
    pictures, labels = (part.to(device) for part in make_data(2000, args.noise, generator))
    held_back, truth = (part.to(device) for part in make_data(500, args.noise, generator))
    model = make_model(args.channels).to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=args.lr)
    for epoch in range(1, args.epochs + 1):
        loss = train_epoch(model, optimizer, pictures, labels, args.batch)
        with torch.no_grad():
            accuracy = (model(held_back).argmax(1) == truth).float().mean().item()
        print(f"epoch {epoch}/{args.epochs} - loss: {loss:.4f} - val_accuracy: {accuracy:.3f}", flush=True)


if __name__ == "__main__":
    main()
