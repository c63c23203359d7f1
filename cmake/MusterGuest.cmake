# muster_add_guest(NAME [SOURCES ...] [DESCRIPTION "..."] [OUTPUT_DIRECTORY dir])
#
# A guest image for `muster run` and for QEMU's -kernel: the given C and assembly sources (NAME.c
# unless told) with the runtime of guest/runtime. The image is OUTPUT_DIRECTORY/NAME, by default
# ${CMAKE_BINARY_DIR}/guests/NAME; it holds its description in the note section .note.muster, its
# symbols and its debug information.
#
# This file needs nothing else of Muster's build: include() it from any project whose languages hold
# C. Guests are compiled by that project's C compiler with the flags below alone, whatever
# sanitizers or coverage the project asks for.

get_filename_component(_muster_guest_root ${CMAKE_CURRENT_LIST_DIR}/../guest ABSOLUTE)
set_property(GLOBAL PROPERTY MUSTER_GUEST_ROOT ${_muster_guest_root})

# No SSE, x87, POPCNT or the like: a KVM that emulates instructions refuses them. No red zone:
# interrupts come on the same stack. No sibling calls: a function that waits tells who called it.
set(MUSTER_GUEST_COMPILE_FLAGS
  -std=gnu11 -O2 -g -ffreestanding -march=x86-64 -mgeneral-regs-only -mno-red-zone -mcmodel=small
  -fno-pic -fno-pie -fno-stack-protector -fcf-protection=none -fno-asynchronous-unwind-tables
  -fno-omit-frame-pointer -fno-optimize-sibling-calls -ffunction-sections -fdata-sections
  -Wall -Wextra -Wshadow -Werror
  -I${_muster_guest_root}
  CACHE INTERNAL "")
if(CMAKE_C_COMPILER_ID MATCHES "Clang")
  # It is about vector registers; there are none here.
  set(MUSTER_GUEST_COMPILE_FLAGS ${MUSTER_GUEST_COMPILE_FLAGS} -Wno-interrupt-service-routine
    CACHE INTERNAL "")
endif()
set(MUSTER_GUEST_LINK_FLAGS
  -nostdlib -static -Wl,--build-id=none -Wl,--gc-sections -Wl,-z,noexecstack
  -Wl,-z,max-page-size=4096
  CACHE INTERNAL "")

# Compiles `sources` into directory `to`; the objects' names go to the variable `result`.
function(_muster_guest_compile result to)
  set(objects)
  foreach(source ${ARGN})
    get_filename_component(source ${source} ABSOLUTE)
    file(RELATIVE_PATH name ${CMAKE_CURRENT_SOURCE_DIR} ${source})
    string(REPLACE "../" "up/" name ${name})
    set(object ${to}/objects/${name}.o)
    get_filename_component(directory ${object} DIRECTORY)
    file(MAKE_DIRECTORY ${directory})
    add_custom_command(
      OUTPUT ${object}
      COMMAND ${CMAKE_C_COMPILER} ${MUSTER_GUEST_COMPILE_FLAGS} -MD -MF ${object}.d -MT ${object}
              -c ${source} -o ${object}
      DEPENDS ${source}
      DEPFILE ${object}.d
      COMMENT "Guest object ${name}"
      VERBATIM)
    list(APPEND objects ${object})
  endforeach()
  set(${result} ${objects} PARENT_SCOPE)
endfunction()

# The runtime is compiled once in a build, at the first guest.
function(_muster_guest_runtime)
  if(TARGET muster_guest_runtime)
    return()
  endif()
  get_property(root GLOBAL PROPERTY MUSTER_GUEST_ROOT)
  file(GLOB sources CONFIGURE_DEPENDS ${root}/runtime/*.c ${root}/runtime/*.S)
  set(to ${CMAKE_BINARY_DIR}/guest_objects/runtime)
  _muster_guest_compile(objects ${to} ${sources})
  add_custom_target(muster_guest_runtime DEPENDS ${objects})
  set_target_properties(muster_guest_runtime PROPERTIES MUSTER_OBJECTS "${objects}")
endfunction()

function(muster_add_guest name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "DESCRIPTION;OUTPUT_DIRECTORY" "SOURCES")
  if(arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "muster_add_guest(${name}): what is '${arg_UNPARSED_ARGUMENTS}'?")
  endif()
  if(NOT arg_SOURCES)
    set(arg_SOURCES ${name}.c)
  endif()
  if(NOT arg_OUTPUT_DIRECTORY)
    set(arg_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/guests)
  endif()
  if(NOT CMAKE_OBJCOPY)
    message(FATAL_ERROR "muster_add_guest(${name}): no objcopy found; it belongs to binutils")
  endif()

  _muster_guest_runtime()
  get_property(runtime TARGET muster_guest_runtime PROPERTY MUSTER_OBJECTS)
  get_property(root GLOBAL PROPERTY MUSTER_GUEST_ROOT)

  # An ELF note: name "Muster", type 1, the description as its contents.
  set(to ${CMAKE_BINARY_DIR}/guest_objects/${name})
  string(REGEX REPLACE "([\\\\\"])" "\\\\\\1" escaped "${arg_DESCRIPTION}")
  file(CONFIGURE OUTPUT ${to}/note.S @ONLY CONTENT [[
  .section .note.muster, "", @note
  .balign 4
  .long 2f - 1f, 4f - 3f, 1
1:
  .asciz "Muster"
2:
  .balign 4
3:
  .asciz "@escaped@"
4:
  .balign 4
  .section .note.GNU-stack, "", @progbits
]])
  _muster_guest_compile(objects ${to} ${arg_SOURCES} ${to}/note.S)

  set(linked ${to}/${name}.elf64)
  set(image ${arg_OUTPUT_DIRECTORY}/${name})
  file(MAKE_DIRECTORY ${arg_OUTPUT_DIRECTORY})
  add_custom_command(
    OUTPUT ${image}
    BYPRODUCTS ${linked}
    COMMAND ${CMAKE_C_COMPILER} ${MUSTER_GUEST_LINK_FLAGS} -Wl,-T,${root}/runtime/guest.ld
            ${objects} ${runtime} -o ${linked}
    COMMAND ${CMAKE_OBJCOPY} -O elf32-i386 ${linked} ${image}
    DEPENDS ${objects} ${runtime} ${root}/runtime/guest.ld muster_guest_runtime
    COMMENT "Guest ${name}"
    VERBATIM)
  add_custom_target(muster_guest_${name} ALL DEPENDS ${image})
  set_target_properties(muster_guest_${name} PROPERTIES MUSTER_IMAGE ${image})
endfunction()
