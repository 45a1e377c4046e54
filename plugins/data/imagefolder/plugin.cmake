# hashing, CSV and JSON come from the engine
target_link_libraries(${plugin} PRIVATE telltale)
