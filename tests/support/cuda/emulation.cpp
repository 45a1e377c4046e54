/* Fibers, barriers, warp operations and asynchronous copies of emulated kernels: see emulated.h. */
#include "cuda_portable.h"

#include <stdio.h>
#include <stdlib.h>
#include <vector>

#if defined(__SANITIZE_ADDRESS__)
#define FIBER_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FIBER_ASAN 1
#endif
#endif
#ifdef FIBER_ASAN
#include <sanitizer/common_interface_defs.h>
#endif
#ifndef __x86_64__
#include <ucontext.h>
#endif

emulation_order emulation_run_order = EMULATION_FORWARD;
emulation_hook emulation_on_launch = nullptr;
thread_local emulated_position emulated_at;

[[noreturn]] static void stop(const char *what)
{
    fprintf(stderr, "emulated kernel, block (%u,%u,%u), thread %u: %s\n", emulated_at.block.x,
            emulated_at.block.y, emulated_at.block.z, emulated_at.thread.x, what);
    abort();
}

/* ---- fibers ---- */

#ifdef __x86_64__
/* Saves what a call must preserve, the stack pointer last, and goes on where `to` was saved. */
extern "C" void emulation_switch(void **from, void *to);
asm(R"(.text
.globl emulation_switch
.hidden emulation_switch
.type emulation_switch,@function
emulation_switch:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
.size emulation_switch,.-emulation_switch
)");
#endif

#ifdef FIBER_ASAN
static const size_t STACK = 256 * 1024, GUARD = 0; /* the sanitizer's own */
#else
static const size_t STACK = 64 * 1024, GUARD = 1024; /* bytes beyond shared memory that nobody may write */
#endif
static const int UNTOUCHED = 0xa5;

enum fiber_state { RUNS, AT_BARRIER, AT_WARP, ENDED };

struct async_copy {
    void *to;
    const void *from;
    bool inside;
};

struct fiber {
    fiber_state state = ENDED;
    unsigned index = 0;
    unsigned char *stack = nullptr;
    void (*apply)(void *const *lanes) = nullptr;
    void *mine = nullptr;
    std::vector<std::vector<async_copy>> groups; /* the last one is open */
#ifdef __x86_64__
    void *context = nullptr;
#else
    ucontext_t context;
#endif
    void *fake = nullptr;
};

/* one host thread's machine */
struct machine {
    std::vector<fiber *> fibers;
    fiber *current = nullptr;
    unsigned char *shared = nullptr;
    void (*run)(void *) = nullptr;
    void *call = nullptr;
    uint64_t random = 88172645463325252u;
#ifdef __x86_64__
    void *context = nullptr;
#else
    ucontext_t context;
#endif
    void *fake = nullptr;
    const void *stack = nullptr;
    size_t stack_size = 0;
    ~machine()
    {
        for (fiber *f : fibers) {
            free(f->stack);
            delete f;
        }
    }
};
static thread_local machine m;

static void enter(fiber *f)
{
    m.current = f;
    emulated_at.thread = dim3(f->index);
#ifdef FIBER_ASAN
    __sanitizer_start_switch_fiber(&m.fake, f->stack, STACK);
#endif
#ifdef __x86_64__
    emulation_switch(&m.context, f->context);
#else
    swapcontext(&m.context, &f->context);
#endif
#ifdef FIBER_ASAN
    __sanitizer_finish_switch_fiber(m.fake, nullptr, nullptr);
#endif
}

static void leave(fiber *f)
{
#ifdef FIBER_ASAN
    __sanitizer_start_switch_fiber(&f->fake, m.stack, m.stack_size);
#endif
#ifdef __x86_64__
    emulation_switch(&f->context, m.context);
#else
    swapcontext(&f->context, &m.context);
#endif
#ifdef FIBER_ASAN
    __sanitizer_finish_switch_fiber(f->fake, &m.stack, &m.stack_size);
#endif
}

/* A fiber serves one thread of a block after another. */
static void fiber_main()
{
#ifdef FIBER_ASAN
    __sanitizer_finish_switch_fiber(nullptr, &m.stack, &m.stack_size);
#endif
    fiber *f = m.current;
    for (;;) {
        m.run(m.call);
        f->state = ENDED;
        leave(f);
    }
}

static fiber *fiber_make()
{
    fiber *f = new fiber;
    f->stack = (unsigned char *)aligned_alloc(64, STACK);
    if (!f->stack) stop("no memory for a thread's stack");
#ifdef __x86_64__
    void **top = (void **)(f->stack + STACK) - 8;
    memset(top, 0, 8 * sizeof *top);
    void (*entry)() = fiber_main;
    memcpy(&top[6], &entry, sizeof entry);
    f->context = top;
#else
    getcontext(&f->context);
    f->context.uc_stack.ss_sp = f->stack;
    f->context.uc_stack.ss_size = STACK;
    makecontext(&f->context, fiber_main, 0);
#endif
    return f;
}

/* ---- a block ---- */

static void release_warps(unsigned threads)
{
    for (unsigned first = 0; first < threads; first += 32) {
        void *lanes[32];
        unsigned waiting = 0;
        for (unsigned i = 0; i < 32; i++) {
            fiber *f = m.fibers[first + i];
            if (f->state != AT_WARP) continue;
            if (f->apply != m.fibers[first]->apply) stop("lanes of a warp meet in different operations");
            lanes[i] = f->mine;
            waiting++;
        }
        if (waiting != 32) continue;
        m.fibers[first]->apply(lanes);
        for (unsigned i = 0; i < 32; i++)
            m.fibers[first + i]->state = RUNS;
    }
}

static bool release_block(unsigned threads)
{
    for (unsigned i = 0; i < threads; i++)
        if (m.fibers[i]->state != AT_BARRIER) return false;
    for (unsigned i = 0; i < threads; i++)
        m.fibers[i]->state = RUNS;
    return true;
}

/* lets every thread that may run do so; how many did */
static unsigned run_threads(std::vector<unsigned> &order)
{
    unsigned threads = (unsigned)order.size(), ran = 0;
    if (emulation_run_order == EMULATION_SHUFFLED)
        for (unsigned i = threads - 1; i > 0; i--) {
            m.random ^= m.random << 13, m.random ^= m.random >> 7, m.random ^= m.random << 17;
            std::swap(order[i], order[m.random % (i + 1)]);
        }
    for (unsigned i : order)
        if (m.fibers[i]->state == RUNS) {
            enter(m.fibers[i]);
            ran++;
        }
    return ran;
}

static void run_block(std::vector<unsigned> &order, size_t shared)
{
    unsigned threads = (unsigned)order.size();
    if (shared) {
        memset(m.shared, 0xff, shared);
        memset(m.shared + shared, UNTOUCHED, GUARD);
    }
    for (unsigned i = 0; i < threads; i++) {
        fiber *f = m.fibers[i];
        f->state = RUNS;
        f->index = i;
        f->groups.assign(1, {});
    }
    do {
        while (run_threads(order))
            release_warps(threads);
    } while (release_block(threads));
    for (unsigned i = 0; i < threads; i++)
        if (m.fibers[i]->state != ENDED) {
            emulated_at.thread = dim3(i);
            stop("waits where others never come (a barrier or warp operation in a branch?)");
        }
    for (size_t i = 0; shared && i < GUARD; i++)
        if (m.shared[shared + i] != UNTOUCHED) stop("a thread wrote beyond shared memory");
}

struct emulated_launched {
    dim3 grid;
    unsigned threads;
    size_t shared;
    void (*run)(void *), (*drop)(void *);
    void *call;
};

static void run_launch(void *p)
{
    emulated_launched *l = (emulated_launched *)p;
    std::vector<unsigned> order(l->threads);
    for (unsigned i = 0; i < l->threads; i++)
        order[i] = emulation_run_order == EMULATION_REVERSE ? l->threads - 1 - i : i;
    while (m.fibers.size() < l->threads)
        m.fibers.push_back(fiber_make());
    m.shared = l->shared ? (unsigned char *)aligned_alloc(16, (l->shared + 15) / 16 * 16 + GUARD) : nullptr;
    m.run = l->run;
    m.call = l->call;
    emulated_at.blocks = l->grid;
    emulated_at.threads = dim3(l->threads);
    for (unsigned z = 0; z < l->grid.z; z++)
        for (unsigned y = 0; y < l->grid.y; y++)
            for (unsigned x = 0; x < l->grid.x; x++) {
                emulated_at.block = dim3(x, y, z);
                run_block(order, l->shared);
            }
    free(m.shared);
    m.shared = nullptr;
}

static void drop_launch(void *p)
{
    emulated_launched *l = (emulated_launched *)p;
    l->drop(l->call);
    delete l;
}

int emulated_launch(void *stream, void *kernel, dim3 grid, unsigned threads, size_t shared,
                    void (*run)(void *), void (*drop)(void *), void *call)
{
    emulated_launched *l = new emulated_launched{grid, threads, shared, run, drop, call};
    /* limits of every device from sm_80 on; opt-in shared memory is 163 KiB there */
    if (threads == 0 || threads > 1024 || threads % 32 || grid.y > 65535 || grid.z > 65535 ||
        grid.x > 0x7fffffff || shared > 163 * 1024) {
        drop_launch(l);
        return invalid_value;
    }
    if (emulation_on_launch) return emulation_on_launch(stream, kernel, run_launch, drop_launch, l);
    run_launch(l);
    drop_launch(l);
    return 0;
}

/* ---- what threads call ---- */

void *emulated_shared()
{
    if (!m.shared) stop("a kernel launched without shared memory uses it");
    return m.shared;
}

void emulated_barrier()
{
    m.current->state = AT_BARRIER;
    leave(m.current);
}

void emulated_warp(void (*apply)(void *const *lanes), void *mine)
{
    fiber *f = m.current;
    f->state = AT_WARP;
    f->apply = apply;
    f->mine = mine;
    leave(f);
}

void __syncwarp()
{
    emulated_warp([](void *const *) {}, nullptr);
}

struct matrix_load {
    uint32_t *r;
    const void *row;
};

template <bool TRANSPOSED> static void matrix_apply(void *const *lanes)
{
    for (int lane = 0; lane < 32; lane++)
        for (int i = 0; i < 4; i++) {
            uint16_t pair[2];
            for (int j = 0; j < 2; j++) {
                int row = TRANSPOSED ? lane % 4 * 2 + j : lane / 4;
                int column = TRANSPOSED ? lane / 4 : lane % 4 * 2 + j;
                const matrix_load *from = (const matrix_load *)lanes[i * 8 + row];
                pair[j] = ((const uint16_t *)from->row)[column];
            }
            ((const matrix_load *)lanes[lane])->r[i] = pair[0] | (uint32_t)pair[1] << 16;
        }
}

static void check_row(const void *row)
{
    const unsigned char *p = (const unsigned char *)row;
    if (!aligned16(row)) stop("ldmatrix: a row is not at a multiple of 16 bytes");
    if (!m.shared || p < m.shared) stop("ldmatrix: a row outside shared memory");
}

void load_matrices(uint32_t (&r)[4], const void *row)
{
    check_row(row);
    matrix_load mine = {r, row};
    emulated_warp(matrix_apply<false>, &mine);
}

void load_matrices_transposed(uint32_t (&r)[4], const void *row)
{
    check_row(row);
    matrix_load mine = {r, row};
    emulated_warp(matrix_apply<true>, &mine);
}

void copy_async(void *to, const void *from, bool inside)
{
    if (!aligned16(to) || !aligned16(from)) stop("cp.async: an address is not a multiple of 16");
    memset(to, 0xff, 16);
    m.current->groups.back().push_back({to, from, inside});
}

void copy_async_commit()
{
    m.current->groups.emplace_back();
}

void emulated_copy_async_wait(int n)
{
    auto &groups = m.current->groups;
    while ((int)groups.size() - 1 > n) {
        for (const async_copy &c : groups.front()) {
            if (c.inside)
                memcpy(c.to, c.from, 16);
            else
                memset(c.to, 0, 16);
        }
        groups.erase(groups.begin());
    }
}
