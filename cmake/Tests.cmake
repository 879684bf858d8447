include(GoogleTest)

# A test's own code need not be fast, but is to be compiled fast: not optimized, and with the headers compiled once that
# nearly every test includes. Every file still includes what it uses.
set(test_options $<$<CONFIG:Release>:-O0>)
file(WRITE ${CMAKE_CURRENT_BINARY_DIR}/headers.cpp "")
add_library(mlpipe_test_headers OBJECT ${CMAKE_CURRENT_BINARY_DIR}/headers.cpp)
target_compile_options(mlpipe_test_headers PRIVATE ${test_options})
target_link_libraries(mlpipe_test_headers
  PRIVATE mlpipe_flags mlpipe_warnings nlohmann_json::nlohmann_json GTest::gtest)
target_precompile_headers(mlpipe_test_headers PRIVATE <algorithm> <chrono> <filesystem> <fmt/format.h> <functional>
  <gtest/gtest.h> <map> <memory> <nlohmann/json.hpp> <optional> <set> <span> <string> <string_view> <thread> <vector>)

# One test program: mlpipe_test(store_test SOURCES a_test.cpp LINK mlpipe_store). Each of its cases is a ctest case.
function(mlpipe_test name)
  cmake_parse_arguments(test "" "" "SOURCES;LINK" ${ARGN})
  add_executable(${name} ${test_SOURCES})
  target_compile_options(${name} PRIVATE ${test_options})
  target_link_libraries(${name} PRIVATE mlpipe_flags mlpipe_warnings ${test_LINK} GTest::gtest_main)
  target_precompile_headers(${name} REUSE_FROM mlpipe_test_headers)
  gtest_discover_tests(${name} DISCOVERY_TIMEOUT 60 PROPERTIES TIMEOUT 300)
endfunction()

# One test program that needs what not every machine has, under a label of its own, and says so where that is not there:
# mlpipe_environment_test(images_test LABEL containers USUAL_TIMEOUT 1200 SOURCES a_test.cpp LINK mlpipe_oci). It is one
# ctest case: it makes what it needs there once.
function(mlpipe_environment_test name)
  cmake_parse_arguments(test "" "LABEL;USUAL_TIMEOUT;TIMEOUT" "SOURCES;LINK" ${ARGN})
  if(NOT test_TIMEOUT)
    set(test_TIMEOUT ${test_USUAL_TIMEOUT})
  endif()
  add_executable(${name} ${test_SOURCES})
  target_compile_options(${name} PRIVATE ${test_options})
  target_link_libraries(${name} PRIVATE mlpipe_flags mlpipe_warnings ${test_LINK} GTest::gtest_main)
  target_precompile_headers(${name} REUSE_FROM mlpipe_test_headers)
  target_compile_definitions(${name} PRIVATE MLPIPE_REPOSITORY="${PROJECT_SOURCE_DIR}"
    MLPIPE_PROGRAMS="${PROJECT_BINARY_DIR}/bin")
  if(MLPIPE_SANITIZE)
    target_compile_definitions(${name} PRIVATE MLPIPE_SANITIZED)
  endif()
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES LABELS ${test_LABEL} TIMEOUT ${test_TIMEOUT}
    SKIP_REGULAR_EXPRESSION "\\[  PASSED  \\] 0 tests")
endfunction()
