"""Telltale's keyed normals in NumPy, bit for bit (docs/randomness.md). Run it to print the kept test vectors."""
import hashlib, math
import numpy as np

def key(*parts):                                     # four words: Philox key, upper half of the counter
    parts = [str(p).encode() for p in parts]
    parts = [p if len(p) <= 256 else b"sha256:" + hashlib.sha256(p).hexdigest().encode() for p in parts]
    digest = hashlib.sha256(b"".join(b"%d:%s," % (len(p), p) for p in parts)).digest()
    return np.frombuffer(digest[:16], "<u4").astype(np.uint64)

def noise_key(seed, content_hex, role, timestep, draw):
    return key("telltale noise 1", "seed", seed, "content", content_hex, "role", role, "timestep",
               "none" if timestep is None else timestep, "draw", draw)

def words(k, n):                                     # Philox4x32-10, blocks 0, 1, ...: shape [ceil(n/4), 4]
    i, m, h = np.arange((n + 3) // 4, dtype=np.uint64), np.uint64(2**32 - 1), np.uint64(32)
    a, b, c, d = i & m, i >> h, k[2] + 0 * i, k[3] + 0 * i
    for r in range(10):
        k0, k1 = (np.uint64((int(k[j]) + r * w) % 2**32) for j, w in ((0, 0x9e3779b9), (1, 0xbb67ae85)))
        p, q = np.uint64(0xd2511f53) * a, np.uint64(0xcd9e8d57) * c
        a, b, c, d = (q >> h) ^ b ^ k0, q & m, (p >> h) ^ d ^ k1, p & m
    return np.stack([a, b, c, d], 1)

def horner(z, coefficients):
    p = np.full_like(z, coefficients[0])
    for c in coefficients[1:]:
        p = p * z + c
    return p

def normals(k, n):                                   # Box-Muller on word pairs
    u, v = words(k, n).reshape(-1, 2).T
    m, e = np.frexp(u + 0.5)
    low = m * 2.0 <= 1.4142135623730951
    m, e = np.where(low, m * 2.0, m), np.where(low, e - 1.0, e) - 32.0
    s = (m - 1.0) / (m + 1.0)
    r = np.sqrt(-2.0 * (e * 0.6931471805599453 + 2.0 * s * horner(s * s, [1.0 / j for j in range(21, 0, -2)])))
    q = (v + np.uint64(2**29)) >> np.uint64(30)
    a = ((v.astype(np.int64) - q.astype(np.int64) * 2**30) + 0.5) * 1.4629180792671596e-09
    z, q, f = a * a, q % np.uint64(4), [(-1) ** (j // 2) / math.factorial(j) for j in range(17)]
    si, co = horner(z, f[15:1:-2]) * z * a + a, horner(z, f[16::-2])
    x, y = np.where(q % 2 == 1, si, co), np.where(q % 2 == 1, co, si)
    x, y = np.where((q == 1) | (q == 2), -x, x), np.where(q >= 2, -y, y)
    return np.stack([r * x, r * y], 1).astype(np.float32).ravel()[:n]

if __name__ == "__main__":
    content = hashlib.sha256(b"telltale").hexdigest()
    for a in ((1, "eps", 450, 0), (1, "eps", 440, 0), (1, "vae", None, 0), (2**64 - 1, "eps.pfami", 0, 10),
              (1, "x" * 300, None, 0)):
        k = noise_key(a[0], content, *a[1:])
        x = normals(k, 16384)
        print(a[0], a[1][:20], a[2], a[3], "| key", *("%08x" % v for v in k))
        print("  bits", *("%08x" % v for v in x[:8].view(np.uint32)))
        print("  sha256 of 16,384", hashlib.sha256(x.astype("<f4").tobytes()).hexdigest())
    k = key("telltale purpose 1", "seed", 7, "purpose", "split", "what", "faces")
    print("purpose | key", *("%08x" % v for v in k), "| words", *("%08x" % v for v in words(k, 8).ravel()))
