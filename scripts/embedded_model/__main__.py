"""The commands that make the embedded model, in the order of the README."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from diffusers import AutoencoderKL

from scripts.embedded_model import export, images, latents, measure, teacher, vae


def main() -> None:
    """Run one command."""
    parser = argparse.ArgumentParser(prog="python -m scripts.embedded_model")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--work", type=Path, required=True, help="folder of everything that is made")
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("render", help="the icons as pixels")
    command.add_argument("packages", type=Path, help="node_modules with both packages")
    command = commands.add_parser("vae", help="train the VAE")
    command.add_argument("--size", type=int, choices=(64, 128), default=128)
    command.add_argument("--steps", type=int, default=1400)
    command.add_argument("--batch", type=int, default=12)
    command.add_argument("--decoder-alone", action="store_true", help="train on the decoder of WORK/vae…")
    command = commands.add_parser("psnr", help="what a VAE loses")
    command.add_argument("--vae", type=Path, required=True)
    command = commands.add_parser("encode", help="the training images as latents")
    command.add_argument("--vae", type=Path, required=True)
    command.add_argument("--each", type=int, default=16)
    command = commands.add_parser("teacher", help="train UNet and text encoder")
    command.add_argument("--each", type=int, default=16)
    command.add_argument("--steps", type=int, default=10_000)
    command.add_argument("--decay", type=int, default=2500)
    command.add_argument("--rate", type=float, default=1e-3)
    command = commands.add_parser("export", help="the pipeline, in half precision")
    command.add_argument("--vae", type=Path, required=True)
    command.add_argument("--out", type=Path, required=True)
    command = commands.add_parser("lora", help="a distilled LoRA, in half precision")
    command.add_argument("file", type=Path)
    command.add_argument("--out", type=Path, required=True)
    command = commands.add_parser(
        "examples", help="training images and captions, as data=folder of a distillation takes them"
    )
    command.add_argument("--each", type=int, default=2)
    command.add_argument("--out", type=Path, required=True)
    command = commands.add_parser("reference", help="images and prompts to evaluate models with")
    command.add_argument("--count", type=int, default=96)
    command.add_argument("--each", type=int, default=5)
    command.add_argument("--out", type=Path, required=True)
    command = commands.add_parser("measure", help="whether colours bind, and which wordings work")
    command.add_argument("--model", type=Path, required=True, help="folder of the pipeline")
    command.add_argument("--lora", type=Path, help="its TCD-LoRA")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    work: Path = arguments.work
    if arguments.command == "render":
        images.render(arguments.packages, work / "icons.npz")
    elif arguments.command == "vae":
        icons = images.Icons(work / "icons.npz")
        folder, alone = work / f"vae{arguments.size}", arguments.decoder_alone
        place = work / f"decoder{arguments.size}" if alone else folder
        encoder = folder / "vae" if alone else None
        vae.train(icons, arguments.size, arguments.steps, arguments.batch, place, encoder=encoder)
    elif arguments.command == "psnr":
        model = AutoencoderKL.from_pretrained(arguments.vae, torch_dtype=torch.float32)
        print(f"{vae.psnr(model, images.Icons(work / 'icons.npz')):.2f} dB")
    elif arguments.command == "encode":
        model = AutoencoderKL.from_pretrained(arguments.vae, torch_dtype=torch.float32)
        latents.encode(model, images.Icons(work / "icons.npz"), arguments.each, work / "latents.npy")
    elif arguments.command == "teacher":
        examples = teacher.Examples(work / "latents.npy", arguments.each)
        teacher.train(
            examples, teacher.Training(arguments.steps, rate=arguments.rate, decay=arguments.decay), work / "teacher"
        )
    elif arguments.command == "export":
        export.pipeline(work / "teacher" / "teacher.pt", arguments.vae, arguments.out)
    elif arguments.command == "lora":
        export.lora(arguments.file, arguments.out)
    elif arguments.command == "examples":
        export.examples(images.Icons(work / "icons.npz"), arguments.each, arguments.out)
    elif arguments.command == "reference":
        export.reference(images.Icons(work / "icons.npz"), arguments.count, arguments.each, arguments.out)
    elif arguments.command == "measure":
        icons = images.Icons(work / "icons.npz")
        model = measure.Model(arguments.model, arguments.lora)
        print(measure.colours(model, icons))
        print(measure.wordings(model, icons))


if __name__ == "__main__":
    main()
