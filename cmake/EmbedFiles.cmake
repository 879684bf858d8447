# Makes a source file that holds files as text, each in a function of its own:
#   cmake -DOUTPUT=out.cpp -DNAMESPACE=mlpipe -DFILES="name=path;name=path" -P EmbedFiles.cmake
# gives `std::string_view name()`. Declare the functions in a header by hand.
set(text "#include <string_view>\n\nnamespace ${NAMESPACE} {\n")
foreach(pair IN LISTS FILES)
  string(REGEX MATCH "^([^=]+)=(.+)$" matched "${pair}")
  set(name ${CMAKE_MATCH_1})
  file(READ ${CMAKE_MATCH_2} hex HEX)
  string(LENGTH "${hex}" length)
  math(EXPR length "${length} / 2")
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "'\\\\x\\1'," bytes "${hex}")
  string(APPEND text "\nstd::string_view ${name}() {\n  static constexpr char bytes[] = {${bytes}};\n"
    "  return {bytes, ${length}};\n}\n")
endforeach()
string(APPEND text "\n}  // namespace ${NAMESPACE}\n")
file(WRITE ${OUTPUT} "${text}")
