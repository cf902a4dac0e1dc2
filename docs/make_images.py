"""Makes the images of the README with tcdflow itself: ``python docs/make_images.py``, a minute on a CPU."""

from __future__ import annotations

import tempfile
from pathlib import Path

from PIL import Image, ImageDraw

import tcdflow

HERE = Path(__file__).parent / "images"
PROMPTS = (
    "a fox on a green background",
    "a red heart",
    "a panda",
    "a castle on a pink background",
    "a hamburger on a yellow background",
)
ICONS = (
    "a shaded owl on a pink background",
    "a flat owl on a pink background",
    "a blue apple",
    "the orange fox",
    "picture of a green cat, yellow background",
)
STEPS = (1, 2, 4, 8)
ETAS = (0, 0.3, 0.6, 1)
SIDE = 128


def main() -> None:
    """Write the strip of steps, the sheet of tasks, that of steps and eta beside the teacher, and both models."""
    with tempfile.TemporaryDirectory() as folder:
        runs = Path(folder)
        _steps(runs).save(HERE / "steps.png", optimize=True)
        _tasks(runs).save(HERE / "tasks.png", optimize=True)
        _how_many_steps(runs).save(HERE / "how_many_steps.webp", quality=85, method=6)
        _models(runs).save(HERE / "models.webp", quality=85, method=6)


def _steps(runs: Path) -> Image.Image:
    """Rows are 1, 2, 4 and 8 steps, columns are prompts."""
    return _rows(
        [
            [_draw(runs, "base=icons", f"prompt={prompt}", f"sampling.steps={steps}") for prompt in PROMPTS]
            for steps in STEPS
        ]
    )


def _models(runs: Path) -> Image.Image:
    """The prompts by ``emoji``, then by ``icons``, and below what that one alone can draw."""
    rows = [("emoji", PROMPTS), ("icons", PROMPTS), ("icons", ICONS)]
    return _rows([[_draw(runs, f"base={base}", f"prompt={prompt}") for prompt in prompts] for base, prompts in rows])


def _how_many_steps(runs: Path) -> Image.Image:
    """Rows are eta 0, 0.3, 0.6 and 1, columns are 1, 2, 4, 8 and 16 steps, then the teacher in 50."""
    prompt = "prompt=a lion on a red background"
    teacher = _draw(runs, prompt, "loras=[]", "scheduler=ddim", "sampling=teacher", "sampling.guidance_scale=4")
    counts = (*STEPS, 16)
    return _rows(
        [
            [*(_draw(runs, prompt, f"sampling.steps={count}", f"sampling.eta={eta}") for count in counts), teacher]
            for eta in ETAS
        ]
    )


def _tasks(runs: Path) -> Image.Image:
    """An image, another made from it, a mask, and the image with that part repainted."""
    fox = _draw(runs, "prompt=a fox on a green background")
    mask = Image.new("RGB", fox.size)
    ImageDraw.Draw(mask).rectangle((0, 0, 63, 63), fill="white")
    ImageDraw.Draw(mask).rectangle((0, 44, 63, 63), fill="black")
    fox_file, mask_file = runs / "fox.png", runs / "mask.png"
    fox.save(fox_file)
    mask.save(mask_file)
    to_bear = ("task=image_to_image", "task.strength=0.7", "prompt=a bear on a green background")
    bear = _draw(runs, *to_bear, f"task.image={fox_file}", "sampling.steps=8")
    to_wolf = ("task=inpainting", f"task.mask={mask_file}", "prompt=a wolf on a blue background")
    wolf = _draw(runs, *to_wolf, f"task.image={fox_file}", "sampling.steps=8")
    return _row([fox, bear, mask, wolf])


def _draw(runs: Path, *overrides: str) -> Image.Image:
    number = len(list(runs.iterdir()))
    return tcdflow.run(*overrides, f"hydra.run.dir={runs / f'run{number}'}").images[0]


def _rows(images: list[list[Image.Image]]) -> Image.Image:
    rows = [_row(made) for made in images]
    sheet = Image.new("RGB", (rows[0].width, sum(row.height for row in rows)))
    for number, row in enumerate(rows):
        sheet.paste(row, (0, number * row.height))
    return sheet


def _row(images: list[Image.Image]) -> Image.Image:
    row = Image.new("RGB", (SIDE * len(images), SIDE))
    for number, image in enumerate(images):
        row.paste(image.resize((SIDE, SIDE), Image.Resampling.LANCZOS), (number * SIDE, 0))
    return row


if __name__ == "__main__":
    main()
