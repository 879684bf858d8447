# What the images in containers/ are built from goes with the programs, so that `mlpipe run` can build them far from this
# repository: that what .dockerignore leaves of it, which names it line by line ("!trainer").
file(STRINGS ${PROJECT_SOURCE_DIR}/.dockerignore kept REGEX "^!")
list(TRANSFORM kept REPLACE "^!/?" "")
set(image_sources share/mlpipe/source)
foreach(path IN LISTS kept)
  cmake_path(GET path PARENT_PATH folder)
  if(IS_DIRECTORY ${PROJECT_SOURCE_DIR}/${path})
    install(DIRECTORY ${PROJECT_SOURCE_DIR}/${path} DESTINATION ${image_sources}/${folder} USE_SOURCE_PERMISSIONS
      COMPONENT sources)
  else()
    install(FILES ${PROJECT_SOURCE_DIR}/${path} DESTINATION ${image_sources}/${folder} COMPONENT sources)
  endif()
endforeach()
install(FILES ${PROJECT_SOURCE_DIR}/.dockerignore DESTINATION ${image_sources} COMPONENT sources)
