#include "formats/torch_pickle_machine.h"
#include "formats/text.h"

#include <inttypes.h>
#include <string.h>

/* ---- the machine ---- */

tt_status tt_machine_bad(const machine *m, const char *what)
{
    return tt_fail(m->err, TT_ERR_FORMAT,
                   "%s: pickle, byte %zu: %s; fetch the file again, or save its state dict anew", m->p->path,
                   (size_t)(m->at - m->begin), what);
}

tt_status tt_machine_no_memory(const machine *m)
{
    return tt_fail(m->err, TT_ERR_MEMORY, "%s: out of memory, or a pickle too large", m->p->path);
}

tt_status tt_machine_new_value(machine *m, tt_pickle_kind kind, value **out)
{
    *out = tt_arena_alloc(m->p->arena, sizeof **out);
    if (!*out) return tt_machine_no_memory(m);
    (*out)->kind = kind;
    return TT_OK;
}

/* Grows an array of `size`-byte elements to hold one more. */
static bool grow(void **array, size_t n, size_t *capacity, size_t size)
{
    if (n < *capacity) return true;
    size_t wanted = *capacity ? 2 * *capacity : 64;
    void *grown = tt_realloc(*array, wanted * size);
    if (!grown) return false;
    *array = grown;
    *capacity = wanted;
    return true;
}

tt_status tt_machine_push(machine *m, value *v)
{
    if (!grow((void **)&m->stack, m->n, &m->capacity, sizeof *m->stack)) return tt_machine_no_memory(m);
    m->stack[m->n++] = v;
    return TT_OK;
}

tt_status tt_machine_push_new(machine *m, tt_pickle_kind kind, value **out)
{
    tt_status s = tt_machine_new_value(m, kind, out);
    return s ? s : tt_machine_push(m, *out);
}

static tt_status push_bool(machine *m, bool b)
{
    value *v;
    tt_status s = tt_machine_push_new(m, TT_PICKLE_BOOL, &v);
    if (!s) v->as.boolean = b;
    return s;
}

static tt_status push_int(machine *m, int64_t i)
{
    value *v;
    tt_status s = tt_machine_push_new(m, TT_PICKLE_INT, &v);
    if (!s) v->as.integer = i;
    return s;
}

/* Nothing below the last mark may be taken. */
value *tt_machine_pop(machine *m)
{
    size_t floor = m->n_marks ? m->marks[m->n_marks - 1] : 0;
    return m->n > floor ? m->stack[--m->n] : NULL;
}

static bool take(machine *m, size_t n, const unsigned char **bytes)
{
    if ((size_t)(m->end - m->at) < n) return false;
    *bytes = m->at;
    m->at += n;
    return true;
}

static uint32_t load_u32(const unsigned char *b)
{
    return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

static bool take_u32(machine *m, uint32_t *out)
{
    const unsigned char *b;
    if (!take(m, 4, &b)) return false;
    *out = load_u32(b);
    return true;
}

static bool take_u8(machine *m, size_t *out)
{
    const unsigned char *b;
    if (!take(m, 1, &b)) return false;
    *out = *b;
    return true;
}

tt_status tt_machine_cut_short(const machine *m)
{
    return tt_machine_bad(m, "ends too early");
}

/* ---- containers ---- */

tt_status tt_machine_list_add(machine *m, value *list, value *item)
{
    if (list->as.list.n == list->as.list.capacity) {
        size_t capacity = list->as.list.capacity ? 2 * list->as.list.capacity : 8;
        value **grown = tt_arena_alloc_array(m->p->arena, capacity, sizeof(value *));
        if (!grown) return tt_machine_no_memory(m);
        if (list->as.list.n) memcpy(grown, list->as.list.items, list->as.list.n * sizeof(value *));
        list->as.list.items = grown;
        list->as.list.capacity = capacity;
    }
    list->as.list.items[list->as.list.n++] = item;
    return TT_OK;
}

static tt_status add_all(machine *m, value *list, size_t from)
{
    tt_status s = TT_OK;
    for (size_t i = from; i < m->n && !s; i++)
        s = tt_machine_list_add(m, list, m->stack[i]);
    m->n = from;
    return s;
}

static tt_status make_tuple(machine *m, size_t from)
{
    value *tuple;
    tt_status s = tt_machine_new_value(m, TT_PICKLE_TUPLE, &tuple);
    if (!s) s = add_all(m, tuple, from);
    return s ? s : tt_machine_push(m, tuple);
}

static tt_status make_short_tuple(machine *m, size_t n)
{
    size_t floor = m->n_marks ? m->marks[m->n_marks - 1] : 0;
    if (m->n - floor < n) return tt_machine_bad(m, "the stack is empty");
    return make_tuple(m, m->n - n);
}

static bool pop_mark(machine *m, size_t *from)
{
    if (!m->n_marks) return false;
    *from = m->marks[--m->n_marks];
    return true;
}

/* APPEND(S), SETITEM(S): `from` is where the new items begin, the container lies below. */
static tt_status extend(machine *m, size_t from, tt_pickle_kind kind)
{
    size_t floor = m->n_marks ? m->marks[m->n_marks - 1] : 0;
    if (from <= floor || m->stack[from - 1]->kind != kind || (kind == TT_PICKLE_DICT && (m->n - from) % 2))
        return tt_machine_bad(m, kind == TT_PICKLE_DICT ? "items for what is no dict"
                                                        : "items for what is no list");
    return add_all(m, m->stack[from - 1], from);
}

/* ---- numbers and strings ---- */

static tt_status read_long(machine *m)
{
    size_t n;
    const unsigned char *b;
    if (!take_u8(m, &n) || !take(m, n, &b)) return tt_machine_cut_short(m);
    value *v;
    tt_status s = tt_machine_push_new(m, n <= 8 ? TT_PICKLE_INT : TT_PICKLE_LONG, &v);
    if (s) return s;
    if (n > 8) {
        v->as.string.text = (const char *)b;
        v->as.string.size = n;
        return TT_OK;
    }
    uint64_t u = n && b[n - 1] & 0x80 ? UINT64_MAX : 0;
    for (size_t i = n; i-- > 0;)
        u = u << 8 | b[i];
    memcpy(&v->as.integer, &u, sizeof u);
    return TT_OK;
}

static tt_status read_double(machine *m)
{
    const unsigned char *b;
    if (!take(m, 8, &b)) return tt_machine_cut_short(m);
    uint64_t u = 0;
    for (int i = 0; i < 8; i++)
        u = u << 8 | b[i];
    value *v;
    tt_status s = tt_machine_push_new(m, TT_PICKLE_FLOAT, &v);
    if (!s) memcpy(&v->as.real, &u, sizeof u);
    return s;
}

static tt_status read_string(machine *m, size_t n, bool utf8)
{
    const unsigned char *b;
    if (!take(m, n, &b)) return tt_machine_cut_short(m);
    if (utf8 && tt_utf8_check((const char *)b, n) < n) return tt_machine_bad(m, "a string that is not UTF-8");
    value *v;
    tt_status s = tt_machine_push_new(m, TT_PICKLE_STRING, &v);
    if (s) return s;
    v->as.string.text = (const char *)b;
    v->as.string.size = n;
    return TT_OK;
}

/* ---- memo ---- */

static tt_status memo_put(machine *m, size_t i)
{
    if (m->n == 0) return tt_machine_bad(m, "the stack is empty");
    /* picklers number from 0, a put takes two bytes: a higher index would only cost memory */
    if (i > (size_t)(m->end - m->begin)) return tt_machine_bad(m, "a memo index that is too large");
    if (i >= m->memo_size) {
        size_t size = i < 64 ? 128 : 2 * i;
        value **grown = tt_realloc(m->memo, size * sizeof *grown);
        if (!grown) return tt_machine_no_memory(m);
        memset(grown + m->memo_size, 0, (size - m->memo_size) * sizeof *grown);
        m->memo = grown;
        m->memo_size = size;
    }
    m->memo[i] = m->stack[m->n - 1];
    return TT_OK;
}

static tt_status memo_get(machine *m, size_t i)
{
    if (i >= m->memo_size || !m->memo[i]) return tt_machine_bad(m, "an unknown memo index");
    return tt_machine_push(m, m->memo[i]);
}

/* ---- opcodes ---- */

static tt_status push_mark(machine *m)
{
    if (!grow((void **)&m->marks, m->n_marks, &m->marks_capacity, sizeof *m->marks))
        return tt_machine_no_memory(m);
    m->marks[m->n_marks++] = m->n;
    return TT_OK;
}

static tt_status step_number(machine *m, unsigned char op)
{
    const unsigned char *b;
    switch (op) {
    case 'J': /* BININT */
        if (!take(m, 4, &b)) return tt_machine_cut_short(m);
        return push_int(m, (int32_t)load_u32(b));
    case 'K': /* BININT1 */
        if (!take(m, 1, &b)) return tt_machine_cut_short(m);
        return push_int(m, *b);
    case 'M': /* BININT2 */
        if (!take(m, 2, &b)) return tt_machine_cut_short(m);
        return push_int(m, b[0] | b[1] << 8);
    case 0x8a: /* LONG1 */
        return read_long(m);
    default: /* BINFLOAT */
        return read_double(m);
    }
}

static tt_status step_memo_or_string(machine *m, unsigned char op)
{
    uint32_t wide = 0;
    size_t n = 0;
    bool is_wide = op == 'r' || op == 'j' || op == 'X';
    if (is_wide ? !take_u32(m, &wide) : !take_u8(m, &n)) return tt_machine_cut_short(m);
    if (is_wide) n = wide;
    switch (op) {
    case 'q': /* BINPUT */
    case 'r': /* LONG_BINPUT */
        return memo_put(m, n);
    case 'h': /* BINGET */
    case 'j': /* LONG_BINGET */
        return memo_get(m, n);
    default: /* BINUNICODE, SHORT_BINSTRING */
        return read_string(m, n, op == 'X');
    }
}

static tt_status step_items(machine *m, unsigned char op)
{
    size_t from = 0;
    bool to_mark = op == 't' || op == 'e' || op == 'u';
    if (to_mark && !pop_mark(m, &from)) return tt_machine_bad(m, "no mark");
    if (op == 't') return make_tuple(m, from);
    size_t n = op == 's' ? 2 : 1;
    if (!to_mark) {
        if (m->n < n) return tt_machine_bad(m, "the stack is empty");
        from = m->n - n;
    }
    return extend(m, from, op == 's' || op == 'u' ? TT_PICKLE_DICT : TT_PICKLE_LIST);
}

static tt_status step(machine *m, unsigned char op)
{
    value *v;
    tt_status s;
    switch (op) {
    case '(':
        return push_mark(m);
    case '}':
        return tt_machine_push_new(m, TT_PICKLE_DICT, &v);
    case ']':
    case 0x8f: /* EMPTY_SET */
        return tt_machine_push_new(m, TT_PICKLE_LIST, &v);
    case ')':
        return tt_machine_push_new(m, TT_PICKLE_TUPLE, &v);
    case 'N':
        return tt_machine_push_new(m, TT_PICKLE_NONE, &v);
    case 0x88:
    case 0x89:
        return push_bool(m, op == 0x88);
    case 'J':
    case 'K':
    case 'M':
    case 'G':
    case 0x8a:
        return step_number(m, op);
    case 'q':
    case 'r':
    case 'h':
    case 'j':
    case 'X':
    case 'U':
        return step_memo_or_string(m, op);
    case 0x85:
    case 0x86:
    case 0x87:
        return make_short_tuple(m, (size_t)op - 0x84);
    case 't':
    case 'a':
    case 'e':
    case 's':
    case 'u':
        return step_items(m, op);
    case 'c':
        return tt_pickle_global(m);
    case 'R':
        return tt_pickle_reduce(m);
    case 0x81:
        return tt_pickle_new_object(m);
    case 'b':
        return tt_pickle_build(m);
    case 'Q':
        return tt_pickle_persistent(m);
    case 'i': /* INST names a class to call: refused by that name, where there is one */
        s = tt_pickle_global(m);
        return s ? s : tt_machine_bad(m, "a call in the way of protocol 0");
    default:
        return tt_fail(
            m->err, TT_ERR_FORMAT,
            "%s: pickle, byte %zu: opcode 0x%02x, which torch.save does not write, is not read: save "
            "the state dict anew with torch.save",
            m->p->path, (size_t)(m->at - m->begin) - 1, op);
    }
}

static tt_status run(machine *m, value **result)
{
    if (m->end - m->at < 2 || m->at[0] != 0x80) return tt_machine_bad(m, "not a pickle");
    if (m->at[1] != 2)
        return tt_fail(m->err, TT_ERR_UNSUPPORTED,
                       "%s: pickle protocol %d: save it with torch.save's default, 2", m->p->path, m->at[1]);
    m->at += 2;
    for (;;) {
        if (m->at == m->end) return tt_machine_cut_short(m);
        unsigned char op = *m->at++;
        if (op == '.') break;
        tt_status s = step(m, op);
        if (s) return s;
    }
    *result = tt_machine_pop(m);
    return *result && m->n == 0 && m->n_marks == 0 ? TT_OK : tt_machine_bad(m, "does not end with one value");
}

tt_status tt_pickle_read(tt_pickle *pickle, const unsigned char *data, size_t size, size_t *used,
                         tt_pickle_value **result, tt_error *err)
{
    machine m = {.p = pickle, .begin = data, .at = data, .end = data + size, .err = err};
    tt_status s = run(&m, result);
    *used = (size_t)(m.at - data);
    tt_free(m.stack);
    tt_free(m.marks);
    tt_free(m.memo);
    return s;
}
