"""Prints what Pillow makes of the image transforms, for tests/plugins/test_transforms.c. By hand, with Pillow and numpy:
python tools/make_transform_golden.py"""
import hashlib
import io

import numpy as np
from PIL import Image


def subject(width, height):
    y, x = np.mgrid[0:height, 0:width]
    planes = [(x * 2 + y * 3 + c * 85 + ((x * y) >> 4)) % 256 for c in range(3)]
    return Image.fromarray(np.stack(planes, -1).astype(np.uint8), "RGB")


def jpeg(image, quality, subsampling):
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality, subsampling=subsampling)
    return Image.open(io.BytesIO(file.getvalue())).convert("RGB")


def resized(image, side, filter_, back):
    w, h = image.size
    shorter = min(w, h)
    small = image.resize((side * w // shorter, side * h // shorter), filter_)
    return small.resize((w, h), filter_) if back else small


image = subject(97, 61)
for text, got in {"{quality: 30}": jpeg(image, 30, 2), "{quality: 90, colours: full}": jpeg(image, 90, 0),
                  "{side: 32}": resized(image, 32, Image.BILINEAR, False),
                  "{side: 20, filter: lanczos, back: true}": resized(image, 20, Image.LANCZOS, True)}.items():
    print(text, got.size, hashlib.sha256(np.array(got).tobytes()).hexdigest())
