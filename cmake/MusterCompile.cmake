# Settings that hold for every host target. Guests are compiled by MusterGuest.cmake.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_C_STANDARD 11)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)

# What is installed does not tell where it was built: paths begin at the top of the sources.
set(muster_prefix_map
  -ffile-prefix-map=${CMAKE_BINARY_DIR}=./build -ffile-prefix-map=${CMAKE_SOURCE_DIR}=.)

add_library(muster_compile INTERFACE)
# A thread_local is a load in libmuster.so too: several are read for every exit, and a call of
# __tls_get_addr for each is seen in the time that one takes. Of the space that glibc keeps for
# libraries that dlopen() brings it takes a few words, as do a plug-in's into which the static
# libraries are linked (symbols.sh has the bound).
target_compile_options(muster_compile INTERFACE
  ${muster_prefix_map} -ftls-model=initial-exec
  -Wall -Wextra -Wshadow -Wimplicit-fallthrough -Wundef -Werror
  $<$<COMPILE_LANGUAGE:CXX>:-Wnon-virtual-dtor -Woverloaded-virtual -Wconversion -Wno-sign-conversion>
  $<$<CXX_COMPILER_ID:Clang>:-Wthread-safety -Wthread-safety-beta>)
if(MUSTER_SANITIZER)
  target_compile_options(muster_compile INTERFACE -fsanitize=${MUSTER_SANITIZER} -fno-omit-frame-pointer)
  target_link_options(muster_compile INTERFACE -fsanitize=${MUSTER_SANITIZER})
endif()
