"""Attacks for Telltale in Python: the worker's channel (docs/channel.md), hidden. Needs NumPy.

    import telltale

    class Mine(telltale.Attack):
        name, revision = "mine", 1
        params = [telltale.ints("timesteps", [450], 0, 999, "timesteps of the loss")]
        def plan(self): return telltale.Plan({"target": "encode text predict"}, columns=["L"], predictions=1)
        def measure(self, models, samples): ...  # -> array [samples, columns], label-blind
        def fit(self, rows, member): ...         # optional -> anything that JSON takes, or NumPy arrays in a dict
        def score(self, rows, state): ...        # -> array [rows], higher = member

    telltale.run(Mine)

docs/attacks-in-python.md is the tutorial.
"""
import array
import fcntl
import json
import math
import mmap
import os
import socket
import struct
import sys
import traceback

import numpy as np

VERSION = 1  # of the channel
_INLINE_MAX = 64 << 10
_HEADER = struct.Struct("<4sHHIIQ")  # magic, version, type, flags, descriptors, payload size
_OK, _INVALID, _UNSUPPORTED = 0, 1, 7  # statuses of answers

# message types
_ENCODE, _TEXT, _PREDICT, _DECODE, _GENERATE, _VARY, _PUT, _GET, _RELEASE, _ENCODE_CROP = range(33, 43)
_INFO, _OPEN, _PLAN, _MODEL, _MEASURE, _FIT, _SCORE, _DESCRIBE = 32, 64, 65, 66, 67, 68, 69, 71

CAPABILITIES = ("generate", "seed", "vary", "encode", "decode", "text", "predict", "attention", "grad_input",
                "grad_weights")


class Refused(Exception):
    """The other side refused or failed; `status` is its code (docs/channel.md)."""

    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


# ---- messages ----

class _Writer:
    def __init__(self):
        self.parts = []

    def raw(self, format, *values):
        self.parts.append(struct.pack("<" + format, *values))
        return self

    def bytes(self, data):
        self.parts += [struct.pack("<Q", len(data)), bytes(data)]
        return self

    def text(self, text):
        return self.bytes(b"" if text is None else text.encode() + b"\0")

    def data(self):
        return b"".join(self.parts)


class _Reader:
    def __init__(self, data):
        self.buffer, self.at = data, 0

    def raw(self, format):
        s = struct.Struct("<" + format)
        if self.at + s.size > len(self.buffer):
            raise ValueError("a message is too short")
        values = s.unpack_from(self.buffer, self.at)
        self.at += s.size
        return values if len(values) > 1 else values[0]

    def bytes(self):
        n = self.raw("Q")
        if n > len(self.buffer) - self.at:
            raise ValueError("a message is too short")
        self.at += n
        return self.buffer[self.at - n:self.at]

    def text(self):
        data = bytes(self.bytes())
        return data[:-1].decode() if data else None

    def array(self, dtype):
        return np.frombuffer(self.bytes(), dtype=dtype).copy()

    def end(self):
        if self.at != len(self.buffer):
            raise ValueError("a message is too long")


class _Channel:
    def __init__(self, fd):
        self.socket = socket.socket(fileno=fd)

    def _receive(self, size, fds):
        data = bytearray()
        while len(data) < size:
            part, control, _, _ = self.socket.recvmsg(size - len(data), socket.CMSG_SPACE(5 * 4))
            for level, kind, payload in control:
                if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                    got = array.array("i")
                    got.frombytes(payload[:len(payload) - len(payload) % got.itemsize])
                    fds += got
            if not part:
                raise EOFError
            data += part
        return bytes(data)

    def receive(self):
        """(type, payload, descriptors)"""
        fds = []
        magic, version, kind, flags, n_fds, size = _HEADER.unpack(self._receive(_HEADER.size, fds))
        if magic != b"TTCH" or version != VERSION:
            raise RuntimeError("a message of channel version %d, where telltale.py speaks %d" % (version, VERSION))
        if flags & 1:
            shared = fds.pop(0)
            with mmap.mmap(shared, size, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ) as memory:
                payload = bytes(memory)
            os.close(shared)
        else:
            payload = self._receive(size, fds)
        return kind, payload, fds

    def send(self, kind, payload):
        if len(payload) <= _INLINE_MAX:
            self.socket.sendall(_HEADER.pack(b"TTCH", VERSION, kind, 0, 0, len(payload)) + payload)
            return
        fd = os.memfd_create("telltale", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        try:
            with open(fd, "wb", closefd=False) as file:
                file.write(payload)
            fcntl.fcntl(fd, 1033, 1 | 2 | 4 | 8)  # F_ADD_SEALS: seal, shrink, grow, write
            header = _HEADER.pack(b"TTCH", VERSION, kind, 1, 0, len(payload))
            rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))
            sent = self.socket.sendmsg([header], [rights])
            self.socket.sendall(header[sent:])
        finally:
            os.close(fd)

    def ask(self, kind, writer=None):
        self.send(kind, writer.data() if writer else b"")
        answer = _Reader(self.receive()[1])
        status = answer.raw("I")
        if status != _OK:
            raise Refused(status, answer.text())
        return answer


# ---- what an attack declares ----

class Param:
    """A parameter; `default` None: it must be given. `fit_only`: only fit and score read it, so that changing it
    measures nothing anew."""
    KINDS = {"bool": 1, "int": 2, "float": 3, "string": 4, "choice": 5, "path": 6, "ints": 7, "floats": 8,
             "strings": 9}

    def __init__(self, key, kind, default, low=0, high=0, choices=None, help="", fit_only=False):
        self.key, self.kind, self.default, self.help = key, self.KINDS[kind], default, help
        self.low, self.high, self.choices = low, high, choices
        self.flags = (1 if default is None else 0) | (2 if fit_only else 0)

    def put(self, out):
        default = None if self.default is None else \
            self.default if isinstance(self.default, str) else json.dumps(self.default)
        out.text(self.key).raw("I", self.kind).text(default).raw("dd", self.low, self.high)
        out.text(self.choices).text(self.help or self.key).raw("I", self.flags)


def flag(key, default, help="", **more): return Param(key, "bool", default, help=help, **more)
def integer(key, default, low, high, help="", **more): return Param(key, "int", default, low, high, None, help, **more)
def real(key, default, low, high, help="", **more): return Param(key, "float", default, low, high, None, help, **more)
def text(key, default, help="", **more): return Param(key, "string", default, help=help, **more)
def choice(key, default, choices, help="", **more): return Param(key, "choice", default, 0, 0, choices, help, **more)
def path(key, default=None, help="", **more): return Param(key, "path", default, help=help, **more)
def ints(key, default, low, high, help="", **more): return Param(key, "ints", default, low, high, None, help, **more)
def reals(key, default, low, high, help="", **more): return Param(key, "floats", default, low, high, None, help, **more)


class Plan:
    """roles: {"target": "encode text predict"}; columns: names of the features; predictions: queries a sample."""

    def __init__(self, roles, columns, predictions, needs_captions=True, min_words=0, paper_reduction=None,
                 measure_identity=None):
        self.roles, self.columns, self.predictions = roles, list(columns), predictions
        self.needs_captions, self.paper_reduction = needs_captions, paper_reduction
        self.min_words, self.measure_identity = min_words, measure_identity

    def put(self, out, can_fit):
        out.raw("I", len(self.roles))
        for role, needs in self.roles.items():
            out.text(role).raw("I", sum(1 << CAPABILITIES.index(c) for c in needs.split()))
        out.raw("BBI", self.needs_captions, can_fit, len(self.columns))
        for column in self.columns:
            out.text(column)
        out.text(self.paper_reduction).raw("I", self.predictions).text(self.measure_identity)
        out.raw("II", 0, self.min_words)  # no services


class Sample:
    """`id` is opaque; `caption` None where the threat model withholds it."""
    __slots__ = ("id", "caption")

    def __init__(self, id, caption):
        self.id, self.caption = id, caption


# ---- models ----

class Model:
    """A model behind its host. Handles (int) name things that stay there; get and put move their values."""

    def __init__(self, channel, role):
        self._channel, self.role = channel, role
        answer = channel.ask(_INFO)
        (self.capabilities, self.resolution, channels, height, width, self.text_tokens, self.text_width,
         self.train_timesteps, self.end_token, self.batch) = answer.raw("10I")
        self.latent_shape = (channels, height, width)
        self.alpha_bar, self.alpha_bar_f32 = answer.array("<f8"), answer.array("<f8")

    def _handles(self, kind, out, n):
        return list(self._channel.ask(kind, out).array_of("Q", n))

    @staticmethod
    def _noise(out, role, timestep, draw):
        out.text(role).raw("iI", timestep, draw)

    def encode(self, samples, noise="vae", draw=0, crop=None):
        """Latents of the samples' images: mean + std·noise, or the mean with noise=None. `crop`: the centre of so
        many pixels, resized to the whole."""
        out = _Writer().raw("I", len(samples))
        for sample in samples:
            out.raw("Q", sample.id)
            self._noise(out, noise, -1, draw)
            if crop is not None:
                out.raw("I", crop)
        return self._handles(_ENCODE if crop is None else _ENCODE_CROP, out, len(samples))

    @staticmethod
    def _put_text(out, pieces):
        pieces = [pieces] if isinstance(pieces, (str, int)) else pieces
        out.raw("I", len(pieces))
        for piece in pieces:  # an int is a special token, e.g. model.end_token
            if isinstance(piece, str):
                out.text(piece).raw("i", 0)
            else:
                out.text(None).raw("i", piece)

    def text(self, texts):
        """Conditions; each text a string or a list of strings and special tokens."""
        out = _Writer().raw("I", len(texts))
        for one in texts:
            self._put_text(out, one)
        return self._handles(_TEXT, out, len(texts))

    def _predict(self, latents, conditions, timestep, samples, noise, draw, want, f32):
        out = _Writer().raw("I", len(latents))
        for latent, condition, sample in zip(latents, conditions, samples or [None] * len(latents)):
            out.raw("QQiIQ", latent, condition, timestep, want, sample.id if sample else 0)
            self._noise(out, noise if sample else None, timestep if noise and sample else -1, draw)
            out.raw("B", f32)
        return self._channel.ask(_PREDICT, out).array_of("dQ", len(latents))

    def losses(self, latents, conditions, timestep, samples, noise="eps", draw=0, f32=False):
        """mean((n - ε(x_t, t, c))²) of each row, x_t = √ᾱ_t·latent + √(1-ᾱ_t)·n; the noise n is the sample's own."""
        results = self._predict(latents, conditions, timestep, samples, noise, draw, 1, f32)
        return np.array([loss for loss, _ in results])

    def predictions(self, latents, conditions, timestep, samples=None, noise="eps", draw=0, f32=False):
        """Handles of ε. Without samples x_t is the latent as it is."""
        results = self._predict(latents, conditions, timestep, samples, noise, draw, 2, f32)
        return [handle for _, handle in results]

    def decode(self, latents):
        """Images of latents, as handles."""
        return self._handles(_DECODE, _Writer().raw("I%dQ" % len(latents), len(latents), *latents), len(latents))

    def generate(self, prompt, images=1, seed=0, steps=50, guidance=7.5, negative="", width=0, height=0):
        """Handles of generated images (the model's own scheduler, PyTorch's CPU stream of noise)."""
        out = _Writer()
        for one in (prompt, negative):
            out.raw("I", 1)
            self._put_text(out, one)
        out.raw("IIIdBIBIQII", width, height, steps, guidance, 0, 0, 0, 0, seed, 0, images)
        out.raw("BBdB", 0, 0, 0.0, 0)
        return self._handles(_GENERATE, out, images)

    def get(self, handle, shape=None):
        """Values as float32: latents and predictions [C, H, W]; conditions [tokens, width]; images [3, H, W], 0..1."""
        values = self._channel.ask(_GET, _Writer().raw("Q", handle)).array("<f4")
        if shape is None and values.size == math.prod(self.latent_shape):
            shape = self.latent_shape
        elif shape is None and values.size == self.text_tokens * self.text_width:
            shape = (self.text_tokens, self.text_width)
        elif shape is None and values.size == 3 * self.resolution ** 2:
            shape = (3, self.resolution, self.resolution)
        return values if shape is None else values.reshape(shape)

    def put(self, latent):
        """The handle of a latent of one's own, [C, H, W]."""
        latent = np.ascontiguousarray(latent, "<f4")
        out = _Writer().raw("III", *latent.shape).bytes(latent.tobytes())
        return self._handles(_PUT, out, 1)[0]

    def release(self, handles):
        self._channel.ask(_RELEASE, _Writer().raw("I%dQ" % len(handles), len(handles), *handles))


def _array_of(self, format, n):
    """n records that stand without a size in front; all that is left of the message."""
    s = struct.Struct("<" + format)
    if len(self.buffer) - self.at != n * s.size:
        raise ValueError("an answer of another length than asked")
    records = [s.unpack_from(self.buffer, self.at + i * s.size) for i in range(n)]
    return records if len(format) > 1 else [r[0] for r in records]


_Reader.array_of = _array_of


# ---- the worker ----

class Attack:
    name, revision, version, summary, reference, params = None, 1, "1.0", "", None, []

    def __init__(self, p, seed):
        self.p, self.seed = p, seed  # p.timesteps, …: the parameters

    fit = None

    def explain(self, state):
        """A line for people on what fit chose."""
        return ""


class _Params:
    def __init__(self, values):
        self.__dict__.update(values)


def _to_json(value):
    if isinstance(value, (np.ndarray, np.generic)):
        return value.tolist()
    raise TypeError("fit gave a %s, which JSON cannot hold" % type(value).__name__)


class _Worker:
    def __init__(self, kind):
        self.kind, self.attack, self.plan, self.models = kind, None, None, {}

    def describe(self, request, fds, out):
        k = self.kind
        out.raw("I", 1).text(k.name).raw("I", k.revision).text(k.version).text(k.summary or k.name)
        out.text(k.reference).raw("I", len(k.params))
        for param in k.params:
            param.put(out)

    def open(self, request, fds, out):
        request.text()  # the attack's name
        params, seed, _ = json.loads(request.text()), *request.raw("Qi")
        request.end()
        self.attack = self.kind(_Params(params), seed)
        self.plan = self.attack.plan()

    def tell_plan(self, request, fds, out):
        self.plan.put(out, self.attack.fit is not None)

    def model(self, request, fds, out):
        role = request.text()
        self.models[role] = Model(_Channel(fds.pop(0)), role)

    def measure(self, request, fds, out):
        samples = [Sample(request.raw("Q"), request.text()) for _ in range(request.raw("I"))]
        request.end()
        rows = np.asarray(self.attack.measure(self.models, samples), "<f8")
        if rows.shape != (len(samples), len(self.plan.columns)):
            raise ValueError("measure gave an array of shape %s, not %s" %
                             (rows.shape, (len(samples), len(self.plan.columns))))
        out.bytes(rows.tobytes())

    def rows(self, request):
        n = request.raw("I")
        return request.array("<f8").reshape(n, len(self.plan.columns))

    def fit(self, request, fds, out):
        rows, member = self.rows(request), request.array("u1").astype(bool)
        request.end()
        state = self.attack.fit(rows, member)
        data = json.dumps(state, default=_to_json).encode()
        out.raw("B", 1).bytes(data).text(self.attack.explain(json.loads(data)))

    def score(self, request, fds, out):
        rows, has_state, state = self.rows(request), request.raw("B"), bytes(request.bytes())
        request.end()
        scores = np.asarray(self.attack.score(rows, json.loads(state) if has_state else None), "<f8")
        if scores.shape != (len(rows),):
            raise ValueError("score gave an array of shape %s, not %s" % (scores.shape, (len(rows),)))
        if not np.isfinite(scores).all():
            raise ValueError("score of row %d is not a finite number" % np.argmin(np.isfinite(scores)))
        out.bytes(scores.tobytes())

    HANDLERS = {_DESCRIBE: describe, _OPEN: open, _PLAN: tell_plan, _MODEL: model, _MEASURE: measure, _FIT: fit,
                _SCORE: score}

    def answer(self, kind, payload, fds):
        out = _Writer().raw("I", _OK)
        try:
            if kind not in self.HANDLERS:
                raise Refused(_UNSUPPORTED, "message type %d means nothing to telltale.py" % kind)
            self.HANDLERS[kind](self, _Reader(payload), fds, out)
            return out.data()
        except Refused as e:  # a model's refusal travels on as it is
            return _Writer().raw("I", e.status).text(str(e)).data()
        except Exception as e:
            traceback.print_exc()
            at = [f for f in traceback.extract_tb(e.__traceback__) if f.filename != __file__]
            place = "%s:%d: " % (os.path.basename(at[-1].filename), at[-1].lineno) if at else ""
            return _Writer().raw("I", _INVALID).text("%s%s: %s" % (place, type(e).__name__, e)).data()


def run(attack):
    """Serves the attack until Telltale closes the channel. The last line of a program."""
    try:
        channel = _Channel(3)
    except OSError:
        sys.exit("%s is an attack: name it in a spec, `attacks: {mine: {exec: %s}}`, and use `telltale run`" %
                 (sys.argv[0], os.path.basename(sys.argv[0])))
    worker = _Worker(attack)
    try:
        while True:
            kind, payload, fds = channel.receive()
            reply = worker.answer(kind, payload, fds)
            for fd in fds:
                os.close(fd)
            channel.send(kind, reply)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        pass
