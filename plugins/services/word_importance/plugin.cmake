# the service runs networks of its own: the engine's
target_link_libraries(${plugin} PRIVATE telltale)
