# cmake -DSOURCE=server/page -DOUTPUT=page.cpp -P embed.cmake: one C++ file that holds the whole page.
file(READ ${SOURCE}/index.html page)
file(READ ${SOURCE}/style.css style)
set(scripts "")
foreach(script drawing form page)
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
file(WRITE ${OUTPUT} "#include \"server/page/page.hpp\"\n\nnamespace mlpipe {\n\n"
  "std::string_view page_html() { return\n${literals};\n}\n\n}  // namespace mlpipe\n")
