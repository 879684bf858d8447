// Lets a person choose a picture, or drop one anywhere on the page, and shows it in `image`. Calls onChange with the
// file, or with nothing once it is taken away.
function makePictureInput(chooser, image, onChange) {
  let shown = null;

  function show(file) {
    if (shown !== null) URL.revokeObjectURL(shown);
    shown = file && URL.createObjectURL(file);
    image.hidden = file === null;
    if (file === null) {
      image.removeAttribute("src");
      chooser.value = "";
    } else {
      image.src = shown;
      image.alt = `The picture ${file.name}`;
    }
    onChange(file);
  }
  chooser.onchange = () => {
    if (chooser.files.length > 0) show(chooser.files[0]);
  };
  document.ondragover = (event) => {
    event.preventDefault();
    document.body.classList.add("dropping");
  };
  document.ondragleave = () => document.body.classList.remove("dropping");
  document.ondrop = (event) => {
    event.preventDefault();
    document.body.classList.remove("dropping");
    if (event.dataTransfer.files.length > 0) show(event.dataTransfer.files[0]);
  };
  return { clear: () => show(null) };
}
