"""Makes tests/golden/images: small files of every oddity, and Pillow's pixels of them and of its resizes as digests.
Run by hand: needs Pillow and NumPy."""
import hashlib
import json
import struct
from pathlib import Path

import numpy as np
from PIL import Image

OUT = Path(__file__).resolve().parent.parent / "tests" / "golden" / "images"
FILTERS = {"nearest": 0, "box": 4, "bilinear": 2, "hamming": 5, "bicubic": 3, "lanczos": 1}


def digest(image):
    """Telltale's content hash: width, height, RGB rows."""
    rgb = np.asarray(image.convert("RGB"))
    return hashlib.sha256(struct.pack("<II", *image.size) + rgb.tobytes()).hexdigest()


def picture(width, height):
    """Smooth colour with some grain, from integers alone."""
    y, x = np.mgrid[0:height, 0:width]
    grain = (x * 7919 + y * 104729) % 23
    planes = [(x * 5 + y * 2 + grain) % 256, (x * y // 7 + grain) % 256, (255 - x * 3 + y + grain) % 256]
    return Image.fromarray(np.stack(planes, 2).astype(np.uint8))


def files():
    p = picture(37, 29)
    alpha = p.copy()
    alpha.putalpha(Image.fromarray((np.arange(37 * 29).reshape(29, 37) % 256).astype(np.uint8)))
    yield "rgb.png", p, {}
    yield "grey.png", p.convert("L"), {}
    yield "alpha.png", alpha, {}
    yield "grey-alpha.png", alpha.convert("LA"), {}
    yield "palette.png", p.quantize(40), {}
    yield "one-bit.png", p.convert("1"), {}
    yield "photo.jpg", p, {"quality": 90}
    yield "photo-444.jpg", p, {"quality": 90, "subsampling": 0}
    yield "progressive.jpg", p, {"progressive": True}
    yield "grey.jpg", p.convert("L"), {}
    yield "cmyk.jpg", p.convert("CMYK"), {}
    for orientation in (1, 3, 6, 8, 2, 4, 5, 7):
        exif = Image.Exif()
        exif[0x0112] = orientation
        yield f"orientation-{orientation}.jpg", p, {"exif": exif.tobytes()}
    yield "lossless.webp", p, {"lossless": True}
    yield "lossy.webp", p, {"quality": 80}
    yield "animated.webp", p, {"save_all": True, "append_images": [p.rotate(180)], "lossless": True}
    yield "deep.png", Image.fromarray((np.arange(64).reshape(8, 8) * 1000).astype(np.uint16)), {}


def main():
    from PIL import ImageOps

    OUT.mkdir(parents=True, exist_ok=True)
    decoded, resized = {}, []
    for name, image, options in files():
        image.save(OUT / name, **options)
        if name == "deep.png":
            continue
        with Image.open(OUT / name) as stored:
            decoded[name] = {"plain": digest(stored.convert("RGB")),
                             "upright": digest(ImageOps.exif_transpose(stored).convert("RGB"))}
    p = picture(37, 29)
    for name, resample in FILTERS.items():
        for size in ((37, 29), (18, 14), (64, 50), (5, 3), (37, 7), (90, 29), (1, 1), (111, 87)):
            resized.append({"filter": name, "width": size[0], "height": size[1],
                            "rgb": digest(p.resize(size, resample))})
    (OUT / "expected.json").write_text(json.dumps({"decoded": decoded, "resized": resized}, indent=1) + "\n")
    (OUT / "truncated.jpg").write_bytes((OUT / "photo.jpg").read_bytes()[:-200])
    (OUT / "truncated.png").write_bytes((OUT / "rgb.png").read_bytes()[:-300])
    (OUT / "truncated.webp").write_bytes((OUT / "lossless.webp").read_bytes()[:-300])


if __name__ == "__main__":
    main()
