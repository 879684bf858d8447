# libtorch as imported targets mlpipe::torch. The default is the one inside PyTorch's wheel, as scripts/install-deps
# fetches it; -DMLPIPE_LIBTORCH=system takes any libtorch from 2.6 on by find_package(Torch).
set(MLPIPE_LIBTORCH wheel CACHE STRING "wheel or system")
set_property(CACHE MLPIPE_LIBTORCH PROPERTY STRINGS wheel system)
# cuda links the wheel's CUDA part too, whose own libraries (cuDNN, cuBLAS, NCCL, …) then have to be where it looks for
# them: scripts/install-libtorch --device cuda brings both. The sources are the same. A libtorch of the system has what it
# was built with.
set(MLPIPE_DEVICE cpu CACHE STRING "cpu or cuda")
set_property(CACHE MLPIPE_DEVICE PROPERTY STRINGS cpu cuda)

if(MLPIPE_LIBTORCH STREQUAL system)
  find_package(Torch 2.6 REQUIRED)
  add_library(mlpipe_torch INTERFACE)
  target_link_libraries(mlpipe_torch INTERFACE ${TORCH_LIBRARIES})
  target_include_directories(mlpipe_torch SYSTEM INTERFACE ${TORCH_INCLUDE_DIRS})
  set(MLPIPE_LIBTORCH_VERSION ${Torch_VERSION})
else()
  if(NOT MLPIPE_LIBTORCH_DIR)
    execute_process(COMMAND ${PROJECT_SOURCE_DIR}/scripts/install-libtorch --device ${MLPIPE_DEVICE} --dir
      OUTPUT_VARIABLE MLPIPE_LIBTORCH_DIR OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
  endif()
  if(NOT EXISTS ${MLPIPE_LIBTORCH_DIR}/torch/lib/libtorch_cpu.so)
    message(FATAL_ERROR "no libtorch in ${MLPIPE_LIBTORCH_DIR}: run scripts/install-libtorch --device ${MLPIPE_DEVICE}, or choose another with "
      "-DMLPIPE_LIBTORCH_DIR=DIR or -DMLPIPE_LIBTORCH=system")
  endif()
  # The wheel's include folder also holds headers of other projects that would shadow the system's: expose only its own.
  set(torch_include ${PROJECT_BINARY_DIR}/libtorch-include)
  file(MAKE_DIRECTORY ${torch_include})
  foreach(folder ATen c10 caffe2 torch)
    file(CREATE_LINK ${MLPIPE_LIBTORCH_DIR}/torch/include/${folder} ${torch_include}/${folder} SYMBOLIC)
  endforeach()
  file(STRINGS ${torch_include}/torch/headeronly/version.h version_line REGEX "define TORCH_VERSION ")
  string(REGEX REPLACE ".*\"([^\"]+)\".*" "\\1" MLPIPE_LIBTORCH_VERSION "${version_line}")

  set(torch_libraries c10 torch_cpu)
  if(MLPIPE_DEVICE STREQUAL cuda)
    list(APPEND torch_libraries c10_cuda torch_cuda)
  endif()
  foreach(library ${torch_libraries})
    add_library(mlpipe_wheel_${library} SHARED IMPORTED)
    set_target_properties(mlpipe_wheel_${library} PROPERTIES
      IMPORTED_LOCATION ${MLPIPE_LIBTORCH_DIR}/torch/lib/lib${library}.so)
  endforeach()
  add_library(mlpipe_torch INTERFACE)
  target_include_directories(mlpipe_torch SYSTEM INTERFACE ${torch_include} ${torch_include}/torch/csrc/api/include)
  target_link_libraries(mlpipe_torch INTERFACE mlpipe_wheel_torch_cpu mlpipe_wheel_c10)
  target_link_options(mlpipe_torch INTERFACE LINKER:--allow-shlib-undefined)
  if(MLPIPE_DEVICE STREQUAL cuda)
    # Nothing calls it by name: its kernels register themselves once it is loaded.
    target_link_libraries(mlpipe_torch INTERFACE
      -Wl,--push-state,--no-as-needed mlpipe_wheel_torch_cuda mlpipe_wheel_c10_cuda -Wl,--pop-state)
  endif()
  # What the programs load goes with them, in the wheel's own layout, which its libraries' search paths rely on.
  execute_process(COMMAND ${CMAKE_COMMAND} -E env MLPIPE_LIBTORCH_DIR=${MLPIPE_LIBTORCH_DIR}
    ${PROJECT_SOURCE_DIR}/scripts/install-libtorch --device ${MLPIPE_DEVICE} --files
    OUTPUT_VARIABLE files OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
  string(REPLACE "\n" ";" files "${files}")
  foreach(file IN LISTS files)
    cmake_path(GET file PARENT_PATH folder)
    install(FILES ${MLPIPE_LIBTORCH_DIR}/${file} DESTINATION lib/mlpipe/${folder} COMPONENT libtorch)
  endforeach()
endif()

# For a program that loads libtorch: where it finds it once it is installed.
function(mlpipe_loads_libtorch program)
  if(MLPIPE_LIBTORCH STREQUAL system)
    set_target_properties(${program} PROPERTIES INSTALL_RPATH_USE_LINK_PATH ON)
  else()
    set_target_properties(${program} PROPERTIES INSTALL_RPATH "$ORIGIN/../lib/mlpipe/torch/lib")
  endif()
endfunction()
