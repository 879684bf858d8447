# Headers that nearly every unit includes, compiled once for each way of compiling. Every file still includes what it
# uses: -DCMAKE_DISABLE_PRECOMPILE_HEADERS=ON builds without.
set(mlpipe_common_headers <algorithm> <array> <chrono> <cstdint> <filesystem> <fmt/format.h> <functional> <map> <memory>
  <nlohmann/json.hpp> <optional> <set> <span> <string> <string_view> <thread> <unordered_map> <variant> <vector>)

# mlpipe_precompile(name LINK libraries HEADERS headers OPTIONS options): a target to reuse the headers of.
function(mlpipe_precompile name)
  cmake_parse_arguments(precompile "" "" "LINK;HEADERS;OPTIONS" ${ARGN})
  file(WRITE ${CMAKE_CURRENT_BINARY_DIR}/${name}.cpp "")
  add_library(${name} OBJECT ${CMAKE_CURRENT_BINARY_DIR}/${name}.cpp)
  target_link_libraries(${name} PRIVATE mlpipe_flags mlpipe_warnings ${precompile_LINK})
  target_compile_options(${name} PRIVATE ${precompile_OPTIONS})
  target_precompile_headers(${name} PRIVATE ${mlpipe_common_headers} ${precompile_HEADERS})
endfunction()
