/* Shared by torch_pickle.c (the stack machine and its opcodes) and torch_pickle_call.c (names, and what is
 * made of them). */
#ifndef TT_FORMATS_TORCH_PICKLE_MACHINE_H
#define TT_FORMATS_TORCH_PICKLE_MACHINE_H

#include "formats/torch_pickle.h"

typedef tt_pickle_value value;

typedef struct machine {
    tt_pickle *p;
    const unsigned char *begin, *at, *end;
    value **stack;
    size_t n, capacity;
    size_t *marks;
    size_t n_marks, marks_capacity;
    value **memo;
    size_t memo_size;
    tt_error *err;
} machine;

/* torch_pickle.c. Failures name the file and the byte of the pickle. */
tt_status tt_machine_bad(const machine *m, const char *what);
tt_status tt_machine_no_memory(const machine *m);
tt_status tt_machine_new_value(machine *m, tt_pickle_kind kind, value **out);
tt_status tt_machine_push(machine *m, value *v);
tt_status tt_machine_push_new(machine *m, tt_pickle_kind kind, value **out);
value *tt_machine_pop(machine *m);
tt_status tt_machine_cut_short(const machine *m);
tt_status tt_machine_list_add(machine *m, value *list, value *item);

/* torch_pickle_call.c: GLOBAL, REDUCE, NEWOBJ, BUILD, BINPERSID */
tt_status tt_pickle_global(machine *m);
tt_status tt_pickle_reduce(machine *m);
tt_status tt_pickle_new_object(machine *m);
tt_status tt_pickle_build(machine *m);
tt_status tt_pickle_persistent(machine *m);

#endif
