/* Is a file a shared object for this machine? Asked before dlopen, whose own words for a wrong file are
 * obscure and which may read past the end of a cut one. */
#include "plugin/elf_check.h"

#include "base/file.h"

#include <elf.h>
#include <string.h>

#if __SIZEOF_POINTER__ == 8
typedef Elf64_Ehdr elf_header;
typedef Elf64_Phdr elf_segment;
#define OWN_CLASS ELFCLASS64
#else
typedef Elf32_Ehdr elf_header;
typedef Elf32_Phdr elf_segment;
#define OWN_CLASS ELFCLASS32
#endif

static tt_status check(const char *path, const tt_map *map, const elf_header *own, tt_error *err)
{
    elf_header h;
    if (map->size < EI_NIDENT || memcmp(map->data, ELFMAG, SELFMAG) != 0)
        return tt_fail(err, TT_ERR_FORMAT,
                       "%s: not a shared object (no ELF header): a plugin is a compiled .so file", path);
    if (map->data[EI_CLASS] != OWN_CLASS || map->data[EI_DATA] != own->e_ident[EI_DATA])
        return tt_fail(err, TT_ERR_FORMAT,
                       "%s: a shared object for another machine (%s-bit): build it for this one", path,
                       map->data[EI_CLASS] == ELFCLASS64 ? "64" : "32");
    if (map->size < sizeof h)
        return tt_fail(err, TT_ERR_FORMAT, "%s: the file ends inside its ELF header", path);
    memcpy(&h, map->data, sizeof h);
    if (h.e_machine != own->e_machine)
        return tt_fail(err, TT_ERR_FORMAT,
                       "%s: a shared object for another processor (ELF machine %u, here %u): build it "
                       "for this one",
                       path, h.e_machine, own->e_machine);
    if (h.e_type != ET_DYN)
        return tt_fail(err, TT_ERR_FORMAT, "%s: an ELF file, but not a shared object: link it with -shared",
                       path);
    for (unsigned i = 0; i < h.e_phnum; i++) {
        elf_segment segment;
        size_t at, end;
        if (h.e_phentsize != sizeof segment || !tt_size_mul(i, sizeof segment, &at) ||
            !tt_size_add(at, h.e_phoff, &at) || !tt_size_add(at, sizeof segment, &end) || end > map->size)
            return tt_fail(err, TT_ERR_FORMAT, "%s: the file is cut or damaged: build it again", path);
        memcpy(&segment, map->data + at, sizeof segment);
        if (!tt_size_add(segment.p_offset, segment.p_filesz, &end) ||
            (segment.p_type == PT_LOAD && end > map->size))
            return tt_fail(err, TT_ERR_FORMAT, "%s: the file is cut or damaged: build it again", path);
    }
    return TT_OK;
}

tt_status tt_elf_check(const char *path, tt_error *err)
{
    tt_map map, self;
    tt_status s = tt_map_open(path, &map, err);
    if (s) return s;
    s = tt_map_open("/proc/self/exe", &self, err);
    if (s == TT_OK) {
        elf_header own;
        if (self.size < sizeof own) {
            s = tt_fail(err, TT_ERR_IO, "/proc/self/exe: too short for an ELF file");
        } else {
            memcpy(&own, self.data, sizeof own);
            s = check(path, &map, &own, err);
        }
        tt_map_close(&self);
    }
    tt_map_close(&map);
    return s;
}
