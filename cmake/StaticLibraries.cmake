# Libraries that are linked statically: a run that does nothing takes a few milliseconds, and loading shared
# ones would be most of that.
function(mlpipe_static_library target name)
  find_library(${target}_archive NAMES lib${name}.a REQUIRED)
  add_library(${target} STATIC IMPORTED GLOBAL)
  set_target_properties(${target} PROPERTIES IMPORTED_LOCATION ${${target}_archive}
    INTERFACE_LINK_LIBRARIES "${ARGN}")
endfunction()
mlpipe_static_library(mlpipe_yaml yaml-cpp)
mlpipe_static_library(mlpipe_crypto crypto Threads::Threads ${CMAKE_DL_LIBS})
if("pipeline" IN_LIST MLPIPE_PARTS)
  mlpipe_static_library(mlpipe_sqlite sqlite3 Threads::Threads ${CMAKE_DL_LIBS} m)
endif()

# Debian has no static fmt; its headers hold all of it.
add_library(mlpipe_fmt STATIC ${CMAKE_CURRENT_LIST_DIR}/fmt.cpp)
target_compile_features(mlpipe_fmt PUBLIC cxx_std_20)
