# The CUDA runtime is linked statically and cuBLASLt and cuDNN are opened at run time, so that what is built here
# loads anywhere. A build with sanitizers leaves it out: its tests run the sources on an emulation, which needs the
# headers alone (TT_CUDA_HEADERS, for tests/CMakeLists.txt).
option(TT_CUDA "build the cuda backend where its libraries are found" ON)
set(TT_CUDA_ARCHITECTURES "80-real;90-real;90-virtual" CACHE STRING "GPU architectures of the cuda backend")
unset(TT_CUDA_HEADERS)
if(TT_CUDA)
  find_package(CUDAToolkit 12 QUIET)
  find_path(TT_CUDNN_INCLUDE NAMES cudnn_graph.h HINTS ${CUDAToolkit_INCLUDE_DIRS})
  if(CUDAToolkit_FOUND AND TT_CUDNN_INCLUDE)
    set(TT_CUDA_HEADERS ${CUDAToolkit_INCLUDE_DIRS} ${TT_CUDNN_INCLUDE})
  endif()
endif()

if(NOT TT_CUDA)
  set(plugin_skip "TT_CUDA is OFF (build again with -DTT_CUDA=ON)")
elseif(NOT CUDAToolkit_FOUND OR NOT CUDAToolkit_NVCC_EXECUTABLE)
  set(plugin_skip "the CUDA toolkit is missing (install it, 12 or newer, or give its folder as CUDAToolkit_ROOT, and build again)")
elseif(NOT TT_CUDNN_INCLUDE)
  set(plugin_skip "cuDNN's headers are missing (install cuDNN 9 and build again)")
elseif(TT_SANITIZE)
  set(plugin_skip "a build with sanitizers leaves it out (use another one)")
else()
  target_include_directories(${plugin} SYSTEM PRIVATE ${TT_CUDA_HEADERS})
  target_compile_definitions(${plugin} PRIVATE TT_CUDA_LIBRARIES="${CUDAToolkit_LIBRARY_DIR}")
  target_link_libraries(${plugin} PRIVATE telltale CUDA::cudart_static stdc++) # nvcc's launch code is C++
  # the libraries that it opens have threads and handlers that outlive dlclose
  target_link_options(${plugin} PRIVATE -Wl,-z,nodelete)

  # nvcc by hand: CMake before 3.26 asks a new toolkit for architectures that it no longer has
  set(cuda_gencode)
  foreach(architecture ${TT_CUDA_ARCHITECTURES})
    string(REGEX MATCH "^[0-9]+[a-z]?" number ${architecture})
    if(architecture MATCHES "-virtual$")
      list(APPEND cuda_gencode -gencode arch=compute_${number},code=compute_${number})
    elseif(architecture MATCHES "-real$")
      list(APPEND cuda_gencode -gencode arch=compute_${number},code=sm_${number})
    else()
      list(APPEND cuda_gencode -gencode arch=compute_${number},code=[compute_${number},sm_${number}])
    endif()
  endforeach()
  set(cuda_warnings -Xcompiler -Wall,-Wextra,-Wno-unused-parameter)
  if(TT_WERROR)
    list(APPEND cuda_warnings -Werror all-warnings)
  endif()
  file(GLOB cuda_kernels CONFIGURE_DEPENDS ${dir}/*.cu)
  foreach(kernel ${cuda_kernels})
    get_filename_component(name ${kernel} NAME_WE)
    set(object ${CMAKE_CURRENT_BINARY_DIR}/cuda/${name}.o)
    add_custom_command(OUTPUT ${object} DEPENDS ${kernel} DEPFILE ${object}.d
      COMMAND ${CMAKE_COMMAND} -E make_directory ${CMAKE_CURRENT_BINARY_DIR}/cuda
      COMMAND ${CMAKE_C_COMPILER_LAUNCHER} ${CUDAToolkit_NVCC_EXECUTABLE} -std=c++17 -O3 ${cuda_gencode} ${cuda_warnings}
              -Xcompiler -fPIC,-fvisibility=hidden -I${PROJECT_SOURCE_DIR}/core/include -I${PROJECT_SOURCE_DIR}/core
              -MD -MT ${object} -MF ${object}.d -c ${kernel} -o ${object}
      COMMENT "Building CUDA object ${name}.o" VERBATIM COMMAND_EXPAND_LISTS)
    target_sources(${plugin} PRIVATE ${object})
  endforeach()
endif()
