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
# The timeout ends a hang; it is no expectation of speed. A test labelled tsan is built and run
# under ThreadSanitizer too (target tsan_tests).
set(muster_discover_script ${CMAKE_CURRENT_LIST_DIR}/MusterDiscoverTests.cmake)

if(MUSTER_TESTS)
  add_custom_target(tsan_tests)
endif()

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

  set(tests_file ${CMAKE_CURRENT_BINARY_DIR}/${name}.tests.cmake)
  add_custom_command(TARGET ${name} POST_BUILD VERBATIM
    BYPRODUCTS ${tests_file}
    COMMAND ${CMAKE_COMMAND} -D "NAME=${name}" -D "EXECUTABLE=$<TARGET_FILE:${name}>"
            -D "LABELS=${arg_LABELS}" -D "TIMEOUT=${arg_TIMEOUT}" -D "OUTPUT=${tests_file}"
            -P ${muster_discover_script})
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
  add_test(NAME "${name}" COMMAND ${arg_COMMAND})
  set_tests_properties("${name}" PROPERTIES
    LABELS "${arg_LABELS}" TIMEOUT ${arg_TIMEOUT} SKIP_RETURN_CODE 77)
endfunction()
