# Script: asks the Catch2 EXECUTABLE for its test cases and writes OUTPUT, which registers each with
# CTest as "NAME: test case" with the properties HERE; where NESTED, INTEL or INTEL2, the properties of
# its twins, are not empty, also those, which run through the commands RUN_NESTED, RUN_INTEL and
# RUN_INTEL2. What a tag says that an emulator cannot do is skipped there, with the reason.
cmake_minimum_required(VERSION 3.25)
set(cannot_NESTED "[breakpoint]")
set(because_NESTED "QEMU's machine goes down at a guest's hardware breakpoint")
set(cannot_INTEL "[if0-spin]")
set(because_INTEL "Bochs never interrupts a guest that spins with IF = 0")
set(cannot_INTEL2 ${cannot_INTEL})
set(because_INTEL2 ${because_INTEL})

execute_process(COMMAND ${EXECUTABLE} --list-test-names-only
  OUTPUT_VARIABLE cases ERROR_VARIABLE errors RESULT_VARIABLE count)
# Catch2 v2 returns the number of test cases here.
if(NOT count MATCHES "^[0-9]+$" OR count EQUAL 0 OR cases STREQUAL "")
  message(FATAL_ERROR "${EXECUTABLE} lists no test case (${count}): ${errors}")
endif()
if(cases MATCHES ";")
  message(FATAL_ERROR "${EXECUTABLE}: a test case's name must not hold a semicolon")
endif()

foreach(twin NESTED INTEL INTEL2)
  execute_process(COMMAND ${EXECUTABLE} --list-test-names-only "${cannot_${twin}}"
    OUTPUT_VARIABLE skipped_${twin} ERROR_QUIET)
  string(PREPEND skipped_${twin} "\n")
endforeach()

set(script "")
function(register name properties)
  list(JOIN ARGN "]==] [==[" command)
  string(APPEND script "add_test([==[${name}]==] [==[${command}]==])\n"
    "set_tests_properties([==[${name}]==] PROPERTIES ${properties})\n")
  set(script "${script}" PARENT_SCOPE)
endfunction()

string(REGEX REPLACE "\n+$" "" cases "${cases}")
# Brackets would be taken for list syntax when the lines are split.
string(REPLACE "[" "<open>" cases "${cases}")
string(REPLACE "]" "<close>" cases "${cases}")
string(REPLACE "\n" ";" cases "${cases}")
foreach(case IN LISTS cases)
  # What Catch2 would read as syntax of its test specification is escaped. A specification that
  # matches nothing would pass, but for the warning.
  string(REGEX REPLACE "([,\\*])" "\\\\\\1" spec "${case}")
  string(REPLACE "<open>" "\\[" spec "${spec}")
  string(REPLACE "<close>" "\\]" spec "${spec}")
  string(REPLACE "<open>" "[" case "${case}")
  string(REPLACE "<close>" "]" case "${case}")
  set(command ${EXECUTABLE} "${spec}" --warn NoTests)
  register("${NAME}: ${case}" "${HERE}" ${command})
  foreach(twin NESTED INTEL INTEL2)
    string(TOLOWER ${twin} prefix)
    string(FIND "${skipped_${twin}}" "\n${case}\n" is_skipped)
    if(${twin} AND is_skipped EQUAL -1)
      register("${prefix}: ${NAME}: ${case}" "${${twin}}" ${RUN_${twin}} ${command})
    elseif(${twin})
      register("${prefix}: ${NAME}: ${case}" "${${twin}}"
        sh -c "echo \"skipped: ${because_${twin}}\" && exit 77")
    endif()
  endforeach()
endforeach()
file(WRITE ${OUTPUT} "${script}")
