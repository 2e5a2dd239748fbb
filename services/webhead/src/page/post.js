// Posts the one form of a document to another program, as soon as it is there.
document.forms[0].submit();
