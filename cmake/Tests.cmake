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
