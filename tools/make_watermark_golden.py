"""Writes tests/golden/watermark: what Pillow makes of the marks (specs/black-box-attacks.md 3.5). By hand, with Pillow
and numpy: python tools/make_watermark_golden.py"""
import hashlib
from pathlib import Path

import numpy as np
from PIL import Image

OUT = Path(__file__).resolve().parent.parent / "tests/golden/watermark"


def own_mark():
    """The twin of plugins/transforms/watermark/mark.c."""
    y, x = np.mgrid[0:2846, 0:1951].astype(np.float64) + 0.5
    centre = np.sqrt((x - 975.5) ** 2 + (y - 950.0) ** 2)
    distance = np.minimum(np.abs(centre - 730.0) - 170.0, centre - 280.0)
    beyond = np.maximum(np.abs(x - 975.5) - 792.0, 0.0)
    bars = np.min([np.sqrt(beyond**2 + (y - c) ** 2) - 58.0 for c in (2120.0, 2400.0, 2680.0)], axis=0)
    alpha = 0.5 - np.where(y < 1950.0, distance, bars)
    rgba = np.zeros((2846, 1951, 4), np.uint8)
    rgba[..., 0] = 153
    rgba[..., 3] = np.where(alpha <= 0, 0, np.where(alpha >= 1, 255, np.floor(np.clip(alpha, 0, 1) * 255 + 0.5)))
    return Image.fromarray(rgba, "RGBA")


def odd_mark():
    """A mark of several colours and every alpha."""
    y, x = np.mgrid[0:57, 0:31]
    planes = [(x * 37 + y * 11) % 256, (x * 5 + y * 29) % 256, (x * y) % 256, (x * 8 + y * 3) % 256]
    return Image.fromarray(np.stack(planes, -1).astype(np.uint8), "RGBA")


def subject(width, height):
    y, x = np.mgrid[0:height, 0:width]
    planes = [(x * 7 + y * 13 + c * 85 + ((x * y) >> 4)) % 256 for c in range(3)]
    return Image.fromarray(np.stack(planes, -1).astype(np.uint8), "RGB")


def scaled(mark, width):
    w, h = mark.size
    return mark.resize((width, int(width / w * h)), Image.BICUBIC)


def visible(image, mark, width, corner):
    small = scaled(mark, width)
    image.paste(small, (5 if corner == "tl" else image.width - 5 - small.width, 5), small)
    return image


def hidden(image, mark, width):
    small = scaled(mark, width)
    r, g, b, a = small.split()
    small = Image.merge("RGBA", (r.point(lambda _: 255), g, b, a.point(lambda v: int(v * 0.01))))
    image.paste(small, ((image.width - small.width) // 2, (image.height - small.height) // 2), small)
    return image


def sha256(image):
    return hashlib.sha256(image.tobytes()).hexdigest()


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    own, odd = own_mark(), odd_mark()
    odd.save(OUT / "mark.png")
    rows = ["# name, mark, variant, corner, width (0: default), image width, image height, SHA-256 of the RGB rows",
            f"mark,own,,,,1951,2846,{sha256(own)}"]
    cases = [("own", "visible", "tr", 0, 512, 512), ("own", "visible", "tl", 0, 512, 512), ("own", "hidden", "tr", 0, 512, 512),
             ("own", "visible", "tr", 20, 64, 64), ("own", "hidden", "tr", 0, 513, 611), ("odd", "visible", "tl", 0, 512, 300),
             ("odd", "hidden", "tr", 90, 257, 200)]
    for name, variant, corner, width, w, h in cases:
        mark = own if name == "own" else odd
        if variant == "visible":
            out = visible(subject(w, h), mark, width or 100, corner)
        else:
            out = hidden(subject(w, h), mark, width or 350)
        rows.append(f"case,{name},{variant},{corner},{width},{w},{h},{sha256(out)}")
    (OUT / "expected.csv").write_text("\n".join(rows) + "\n")
    alpha = np.asarray(own)[..., 3]
    print(f"own mark: {100 * (alpha == 255).mean():.2f} % opaque; hidden, changed on 512²:",
          f"{100 * (np.asarray(hidden(Image.new('RGB', (512, 512), (128,) * 3), own, 350)) != 128).any(-1).mean():.2f} %")


if __name__ == "__main__":
    main()
