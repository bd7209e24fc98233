/// The damage of a recording whose MP3 is missing, as the catalog stores it.
package let storedDamage =
  #"{"files":[{"kind":"mp3","part":0,"state":"missing"}],"foundAt":{"milliseconds":1768478400000}}"#
