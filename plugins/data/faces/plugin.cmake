# base/ gives the random stream (rng.h) and SHA-256.
target_link_libraries(${plugin} PRIVATE telltale)
