# Two interface targets: how everything is compiled, and which warnings our own code must be free of.
add_library(mlpipe_flags INTERFACE)
target_compile_features(mlpipe_flags INTERFACE cxx_std_20)
target_include_directories(mlpipe_flags INTERFACE ${PROJECT_SOURCE_DIR})
target_link_options(mlpipe_flags INTERFACE LINKER:--build-id=sha1)
target_compile_options(mlpipe_flags INTERFACE -ffile-prefix-map=${PROJECT_SOURCE_DIR}/=)
if(MLPIPE_SANITIZE)
  target_compile_options(mlpipe_flags INTERFACE -fsanitize=${MLPIPE_SANITIZE} -fno-omit-frame-pointer -g1)
  target_link_options(mlpipe_flags INTERFACE -fsanitize=${MLPIPE_SANITIZE})
endif()

add_library(mlpipe_warnings INTERFACE)
target_compile_options(mlpipe_warnings INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor
  -Woverloaded-virtual -Werror
  $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>)  # g++ 12 reports it wrongly inside std::string (GCC bug 105651)

# One static library for each layer: mlpipe_layer(base SOURCES a.cpp LINK OpenSSL::Crypto)
function(mlpipe_layer name)
  cmake_parse_arguments(layer "" "" "SOURCES;LINK" ${ARGN})
  add_library(mlpipe_${name} STATIC ${layer_SOURCES})
  target_link_libraries(mlpipe_${name} PUBLIC mlpipe_flags ${layer_LINK} PRIVATE mlpipe_warnings)
endfunction()

# One program: mlpipe_program(mlpipe SOURCES main.cpp LINK mlpipe_cli)
function(mlpipe_program name)
  cmake_parse_arguments(program "" "" "SOURCES;LINK" ${ARGN})
  add_executable(${name} ${program_SOURCES})
  target_link_libraries(${name} PRIVATE mlpipe_flags mlpipe_warnings ${program_LINK})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)
  install(TARGETS ${name} RUNTIME DESTINATION bin COMPONENT programs)
endfunction()
