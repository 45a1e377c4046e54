# oneDNN for convolutions and matrix products, its own OpenMP runtime (libgomp) for everything else, and
# OpenBLAS, opened when the backend is opened: it must see OPENBLAS_CORETYPE first.
find_path(TT_DNNL_INCLUDE NAMES oneapi/dnnl/dnnl.h)
find_library(TT_DNNL_LIBRARY NAMES dnnl)
if(NOT TT_DNNL_INCLUDE OR NOT TT_DNNL_LIBRARY)
  set(plugin_skip "oneDNN is missing (Debian: libdnnl-dev)")
else()
  target_include_directories(${plugin} PRIVATE ${TT_DNNL_INCLUDE})
  target_link_libraries(${plugin} PRIVATE ${TT_DNNL_LIBRARY} telltale gomp ${CMAKE_DL_LIBS})
  # Debian's OpenMP build has a folder of its own; which build a bare name finds is the system's choice
  target_compile_definitions(${plugin} PRIVATE
    TT_BLAS_FOLDER="/usr/lib/${CMAKE_LIBRARY_ARCHITECTURE}/openblas-openmp/")
  # its worker threads outlive dlclose
  target_link_options(${plugin} PRIVATE -Wl,-z,nodelete)
  set(cpu_avx512 -mavx512f -mavx512bw -mavx512dq -mavx512vl -mfma)
  if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|amd64|AMD64")
    set_source_files_properties(${dir}/kernels_avx2.c PROPERTIES COMPILE_OPTIONS "-mavx2;-mfma")
    set_source_files_properties(${dir}/kernels_avx512.c PROPERTIES COMPILE_OPTIONS "${cpu_avx512}")
    set_source_files_properties(${dir}/kernels_avx512_bf16.c PROPERTIES COMPILE_OPTIONS "${cpu_avx512};-mavx512bf16")
    # older compilers and assemblers do not know tiles
    include(CheckCSourceCompiles)
    set(CMAKE_REQUIRED_FLAGS "-mamx-tile -mamx-bf16")
    check_c_source_compiles("#include <immintrin.h>
      int main(void) { _tile_zero(0); _tile_dpbf16ps(0, 1, 2); _tile_release(); return 0; }" TT_HAVE_TILES)
    unset(CMAKE_REQUIRED_FLAGS)
  else()
    set_source_files_properties(${dir}/kernels_avx2.c ${dir}/kernels_avx512.c ${dir}/kernels_avx512_bf16.c
                                PROPERTIES HEADER_FILE_ONLY ON)
  endif()
  if(TT_HAVE_TILES)
    target_compile_definitions(${plugin} PRIVATE TT_CPU_TILES=1)
    set_source_files_properties(${dir}/kernels_amx_bf16.c PROPERTIES
                                COMPILE_OPTIONS "${cpu_avx512};-mamx-tile;-mamx-bf16")
  else()
    set_source_files_properties(${dir}/kernels_amx_bf16.c PROPERTIES HEADER_FILE_ONLY ON)
  endif()
endif()
