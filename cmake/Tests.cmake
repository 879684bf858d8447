# One test program: mlpipe_test(store_test SOURCES a_test.cpp LINK mlpipe_store). Each of its cases is a ctest case.
include(GoogleTest)
function(mlpipe_test name)
  cmake_parse_arguments(test "" "" "SOURCES;LINK" ${ARGN})
  add_executable(${name} ${test_SOURCES})
  target_link_libraries(${name} PRIVATE mlpipe_flags mlpipe_warnings ${test_LINK} GTest::gtest_main)
  gtest_discover_tests(${name} DISCOVERY_TIMEOUT 60 PROPERTIES TIMEOUT 300)
endfunction()
