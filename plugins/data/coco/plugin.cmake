# the list and the draw are imagefolder's
target_sources(${plugin} PRIVATE plugins/data/imagefolder/folder.c plugins/data/imagefolder/folder_metadata.c
                                 plugins/data/imagefolder/draw.c plugins/data/imagefolder/listed.c)
target_include_directories(${plugin} PRIVATE plugins/data/imagefolder)
target_link_libraries(${plugin} PRIVATE telltale)
