# How tests are made. Every way ends in CTest tests with labels (unit, kvm, model, tsan, long ...),
# where status 77 means "skipped", the reason being what the test printed.
#
# muster_add_test(NAME SOURCES ... LIBS ... [LABELS ...] [TIMEOUT seconds])
#
# A Catch2 executable; each TEST_CASE becomes a CTest test of its own, "NAME: test case". Catch2's
# own catch_discover_tests cannot pass on more than one label.
#
# muster_add_command_test(NAME COMMAND ... [LABELS ...] [TIMEOUT seconds])
#
# A command line that is one test.
#
# The timeout ends a hang; it is no expectation of speed.
#
# Label tsan: built and run under ThreadSanitizer too (target tsan_tests).
# Label kvm: needs /dev/kvm. Gets a twin, "nested: ...", labelled nested instead, which runs the same
# command on an emulated machine with Debian's kernel and KVM (tests/nested); one boot serves all.
set(muster_discover_script ${CMAKE_CURRENT_LIST_DIR}/MusterDiscoverTests.cmake)
set(muster_nested ${CMAKE_CURRENT_SOURCE_DIR}/tests/nested/nested.py)
set(muster_nested_session --session ${CMAKE_BINARY_DIR}/nested)

if(MUSTER_TESTS)
  add_custom_target(tsan_tests)
endif()

# Sets HERE to a test's properties, as CMake code, and THERE to its twin's, or to nothing.
function(muster_test_properties here there labels timeout)
  set(common "SKIP_RETURN_CODE 77")
  if("kvm" IN_LIST labels OR "tsan" IN_LIST labels)
    string(APPEND common " PROCESSORS 2")  # side by side they would starve one another
  endif()
  set(${here} "LABELS \"${labels}\" TIMEOUT ${timeout} ${common}" PARENT_SCOPE)
  set(${there} "" PARENT_SCOPE)
  if("kvm" IN_LIST labels AND NOT MUSTER_SANITIZER)
    list(FILTER labels INCLUDE REGEX "^long$")
    list(APPEND labels nested)
    math(EXPR timeout "2 * ${timeout}")
    set(${there} "LABELS \"${labels}\" TIMEOUT ${timeout} ${common} \
FIXTURES_REQUIRED nested_machine RESOURCE_LOCK nested_machine" PARENT_SCOPE)
  endif()
endfunction()

function(muster_add_test name)
  cmake_parse_arguments(arg "" "TIMEOUT" "SOURCES;LIBS;LABELS" ${ARGN})
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 120)
  endif()
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE ${arg_LIBS} muster_test_main muster_compile)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  if("tsan" IN_LIST arg_LABELS)
    add_dependencies(tsan_tests ${name})
  endif()

  muster_test_properties(here there "${arg_LABELS}" ${arg_TIMEOUT})
  set(tests_file ${CMAKE_CURRENT_BINARY_DIR}/${name}.tests.cmake)
  add_custom_command(TARGET ${name} POST_BUILD VERBATIM
    BYPRODUCTS ${tests_file}
    COMMAND ${CMAKE_COMMAND} -D "NAME=${name}" -D "EXECUTABLE=$<TARGET_FILE:${name}>"
            -D "HERE=${here}" -D "THERE=${there}"
            -D "NESTED=${muster_nested};exec;${muster_nested_session};--"
            -D "OUTPUT=${tests_file}" -P ${muster_discover_script})
  # A target that was not built is one failing test, not silence.
  set(include_file ${CMAKE_CURRENT_BINARY_DIR}/${name}.include.cmake)
  file(WRITE ${include_file}
    "if(EXISTS \"${tests_file}\")\n"
    "  include(\"${tests_file}\")\n"
    "else()\n"
    "  add_test(\"${name}: not built\" \"${name}\")\n"
    "endif()\n")
  set_property(DIRECTORY APPEND PROPERTY TEST_INCLUDE_FILES ${include_file})
endfunction()

function(muster_add_command_test name)
  cmake_parse_arguments(arg "" "TIMEOUT" "COMMAND;LABELS" ${ARGN})
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 120)
  endif()
  muster_test_properties(here there "${arg_LABELS}" ${arg_TIMEOUT})
  add_test(NAME "${name}" COMMAND ${arg_COMMAND})
  cmake_language(EVAL CODE "set_tests_properties([==[${name}]==] PROPERTIES ${here})")
  if(there)
    list(POP_FRONT arg_COMMAND program)
    if(TARGET ${program})
      set(program $<TARGET_FILE:${program}>)
    endif()
    add_test(NAME "nested: ${name}"
      COMMAND ${muster_nested} exec ${muster_nested_session} -- ${program} ${arg_COMMAND})
    cmake_language(EVAL CODE "set_tests_properties([==[nested: ${name}]==] PROPERTIES ${there})")
  endif()
endfunction()
