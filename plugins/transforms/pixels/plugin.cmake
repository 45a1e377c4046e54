# random streams, CSV and images are the engine's
target_link_libraries(${plugin} PRIVATE telltale)
