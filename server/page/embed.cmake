# cmake -DSOURCE=server/page -DOUTPUT=page.cpp -P embed.cmake: one C++ file that holds the pages, each whole.

# The literals of NAME.html, with style.css where the page has its place for it, and the scripts.
function(page_literals name result)
  file(READ ${SOURCE}/${name}.html page)
  file(READ ${SOURCE}/style.css style)
  if(name STREQUAL "docs")
    file(READ ${SOURCE}/docs.css more)
    string(APPEND style "${more}")
  endif()
  set(scripts "")
  foreach(script ${ARGN})
    file(READ ${SOURCE}/${script}.js text)
    string(APPEND scripts "${text}")
  endforeach()
  string(REPLACE "/* style.css */" "${style}" page "${page}")
  string(REPLACE "/* scripts */" "${scripts}" page "${page}")

  # A literal has a length that compilers must take, so the page is cut into several.
  set(literals "")
  string(LENGTH "${page}" length)
  set(start 0)
  while(start LESS length)
    string(SUBSTRING "${page}" ${start} 8000 piece)
    string(APPEND literals "R\"page~(${piece})page~\"\n")
    math(EXPR start "${start} + 8000")
  endwhile()
  set(${result} "${literals}" PARENT_SCOPE)
endfunction()

page_literals(index index drawing picture form answer feedback page)
page_literals(docs docs docs)
file(WRITE ${OUTPUT} "#include \"server/page/page.hpp\"\n\nnamespace mlpipe {\n\n"
  "std::string_view page_html() { return\n${index};\n}\n\n"
  "std::string_view docs_html() { return\n${docs};\n}\n\n}  // namespace mlpipe\n")
