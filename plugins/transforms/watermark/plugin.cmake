# reading, resizing and hashing images is the engine's
target_link_libraries(${plugin} PRIVATE telltale)
