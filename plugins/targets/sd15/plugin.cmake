# a target uses the engine: tensors, networks, loading
target_link_libraries(${plugin} PRIVATE telltale)
